"""One trace from the request to the warehouse: the journals of several hosts join by its id."""

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.helpers.hosts import Platform
from tests.helpers.journal import Journal
from tests.helpers.parts import Parts
from tests.helpers.services import order_processors
from tests.helpers.shop import CHARGED, DECIDED_LATER, UNANSWERED, Shop, order_of
from tests.helpers.waiting import wait_until

PORT = 8099
NOTICES = "/run/test-trace.jsonl"
UNIT = "test-warehouse"
# writes down the order and the trace of each notice before it answers
WAREHOUSE = """
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(sys.argv[2], "a") as file:
            print(json.dumps([order["orderId"], self.headers["traceparent"]]), file=file)
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()
HTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture(scope="module", name="warehouse")
def _warehouse(platform: Platform, parts: Parts) -> Iterator[str]:
    """Have all orders told to a warehouse on the storefront's host; return that host."""
    host = platform.only("frontend")
    platform.feed(host, "tee /run/test-warehouse.py", WAREHOUSE)
    platform.run(
        host,
        f"rm -f {NOTICES}; systemd-run --quiet --collect --unit={UNIT}"
        f" python3 /run/test-warehouse.py {PORT} {NOTICES}",
    )
    url = f"http://{platform.address(host)}:{PORT}/orders"
    lines = f"Environment=WAREHOUSE_BACKEND=http WAREHOUSE_URL={url}"
    with ExitStack() as stack:
        stack.callback(platform.run, host, f"systemctl stop {UNIT}")
        for processor in order_processors(platform):
            stack.enter_context(processor.changed(lines))
        parts.wait_until_ready()
        yield host
    parts.wait_until_ready()


@pytest.mark.parametrize("card", [CHARGED, UNANSWERED, DECIDED_LATER])
def test_a_trace_goes_from_the_request_to_the_warehouse(
    card: str, warehouse: str, platform: Platform, shop: Shop, journal: Journal
) -> None:
    """Also when the gateway's answer never comes, or a webhook brings it."""
    trace_id = secrets.token_hex(16)
    header = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    answer = shop.post(order_of("Git", card=card), headers=header)
    assert answer.status_code == (201 if card == CHARGED else 202), answer.text
    order_id = answer.json()["orderId"]
    shop.wait_until_processed(order_id, seconds=60)

    def notices() -> list[str]:
        text = platform.run(warehouse, f"cat {NOTICES} 2>/dev/null || true")
        read = [json.loads(line) for line in text.splitlines()]
        return [traceparent for order, traceparent in read if order == order_id]

    (traceparent,) = wait_until("the warehouse is told", notices)
    assert traceparent.split("-")[1] == trace_id
    said = [
        (entry["SYSLOG_IDENTIFIER"], entry.get("ORDER_ID"), entry["MESSAGE"])
        for entry in journal.in_trace(trace_id)
    ]
    assert ("payment", order_id, f"POST /payments {answer.status_code}") in said
    assert ("order-processor", order_id, "✅ Order processed successfully!") in said
    assert {"catalogue", "payment", "order-processor"} <= {service for service, *_ in said}
