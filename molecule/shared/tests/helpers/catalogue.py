"""A stand-in for the catalogue, on the storefront's host, that the cart's may connect to."""

import json
import shlex

from tests.helpers.ansible import PROJECT
from tests.helpers.hosts import Platform
from tests.helpers.waiting import wait_until

# the lab lets the services' hosts connect to it
PORT = 8099
UNIT = "test-catalogue"
FILE = "/run/test-catalogue.py"
# beside the shop's products there are so many of these, Extra-1, Extra-2, …
EXTRA = 70

PROGRAM = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
PRODUCTS = json.loads({products!r})
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_GET(self):
        product = PRODUCTS.get(self.path.removeprefix("/products/"))
        known = product or self.path == "/health"
        body = json.dumps(product or {{}}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
class Server(ThreadingHTTPServer):
    request_queue_size = 128
Server(("", {port}), Handler).serve_forever()
"""


class StandInCatalogue:
    """Answers `GET /products/{sku}` and `GET /health` as the catalogue does."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._host = platform.group("frontend")[0]
        self.url = f"http://{platform.address(self._host)}:{PORT}"

    def start(self) -> None:
        """Start it; returns when it listens."""
        program = PROGRAM.format(products=json.dumps(_products()), port=PORT)
        self._platform.feed(self._host, f"tee {FILE}", program)
        self._run(f"systemd-run --quiet --collect --unit={UNIT} python3 {FILE}")
        connect = f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"
        wait_until(
            "the catalogue listens",
            lambda: self._platform[self._host].run(f"python3 -c {shlex.quote(connect)}").rc == 0,
        )

    def stop(self) -> None:
        """Stop it if it runs."""
        self._platform[self._host].run(f"systemctl stop {UNIT}; rm -f {FILE}")

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        self._run(f"systemctl kill --signal=STOP {UNIT}")

    def thaw(self) -> None:
        """Let it go on."""
        self._run(f"systemctl kill --signal=CONT {UNIT}")

    def _run(self, command: str) -> None:
        self._platform.run(self._host, command)


def _products() -> dict[str, dict[str, object]]:
    listed = json.loads((PROJECT / "files" / "catalogue" / "products.json").read_text())
    extra = [
        {"sku": f"Extra-{number}", "name": f"Extra {number}", "price_minor": 100}
        for number in range(1, EXTRA + 1)
    ]
    return {
        product["sku"]: {
            "sku": product["sku"],
            "name": product["name"],
            "price": product["price_minor"] / 100,
            "priceMinor": product["price_minor"],
            "currency": "INR",
        }
        for product in listed + extra
    }
