"""nginx: what it adds, what it keeps out, and what it says when a service is away."""

import json
import re
import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.helpers import ansible
from tests.helpers.hosts import Platform
from tests.helpers.services import catalogues, shippings
from tests.helpers.waiting import wait_until

LOG = "/var/log/nginx/access.log"
PAGES = ["/", "/products/Linux", "/cart", "/checkout", "/orders", "/orders/ORD-1", "/account"]
CALM_SECONDS = 5
FILE_OF_THE_HOST = "root:"


@pytest.fixture(scope="module")
def address(platform: Platform) -> str:
    """Return the frontend's address."""
    return platform.address(platform.group("frontend")[0])


@pytest.fixture(scope="module")
def web(address: str) -> Iterator[httpx.Client]:
    """Return a client that follows nothing and knows no cookies of others."""
    with httpx.Client(base_url=f"http://{address}", timeout=20, trust_env=False) as client:
        yield client


def raw(address: str, request: str) -> str:
    """Send bytes as they are, which no client would; return the answer."""
    with socket.create_connection((address, 80), timeout=10) as connection:
        connection.sendall(request.encode("latin-1"))
        connection.settimeout(10)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode("latin-1")


def asset(web: httpx.Client) -> str:
    """Return the path of the page's script."""
    found = re.search(r'src="(/assets/[0-9a-f]{16}/app\.js)"', web.get("/").text)
    assert found, web.get("/").text
    return found[1]


@pytest.mark.parametrize(
    "path", ["/", "/cart", "/no", "/api/catalogue/products", "/api/no", "/api/catalogue/metrics"]
)
def test_every_answer_tells_browsers_to_be_careful(web: httpx.Client, path: str) -> None:
    """Errors and the services' answers as well; nothing tells the server's version."""
    headers = web.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    # without TLS browsers ignore it, and complain
    assert "cross-origin-opener-policy" not in headers
    assert "permissions-policy" in headers
    assert headers["server"] == "nginx"
    # without a given certificate it would lock people out
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", PAGES)
def test_every_view_has_an_address_of_its_own(web: httpx.Client, path: str) -> None:
    """The page is asked for each time, and costs nothing when it is the same."""
    first = web.get(path)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-cache"
    assert "@VERSION@" not in first.text
    again = web.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


def test_assets_are_kept_for_ever_under_the_name_of_their_content(web: httpx.Client) -> None:
    """And come compressed; another version's name is not there."""
    path = asset(web)
    answer = web.get(path)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"]
    assert "javascript" in answer.headers["content-type"]
    style = web.get(path.replace("app.js", "style.css"), headers={"Accept-Encoding": "gzip"})
    assert style.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in style.headers["vary"]
    missing = web.get("/assets/0000000000000000/app.js")
    assert missing.status_code == 404
    assert "immutable" not in missing.headers.get("cache-control", "")


def test_what_services_answer_is_compressed(web: httpx.Client) -> None:
    """The list of products is the largest of it."""
    answer = web.get("/api/catalogue/products?limit=100", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


def test_an_unknown_page_looks_like_the_shop(web: httpx.Client) -> None:
    """With the way back."""
    answer = web.get("/no-such-page")
    assert answer.status_code == 404
    assert "SkillUp" in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/catalogue/products"),
        ("DELETE", "/api/catalogue/products/Linux"),
        ("PUT", "/api/shipping/cities"),
        ("GET", "/api/payment/webhooks/gateway"),
        ("POST", "/"),
        ("PUT", "/index.html"),
        ("DELETE", "/pictures/Linux.svg"),
        ("TRACE", "/"),
    ],
)
def test_what_can_only_be_read_is_only_read(web: httpx.Client, method: str, path: str) -> None:
    """405, before a service has seen it."""
    assert web.request(method, path).status_code == 405


@pytest.mark.parametrize(
    "path",
    [
        "/api/catalogue/reservations/ORD-1",
        "/api/catalogue//reservations/ORD-1",
        "/api/catalogue/products/%2e%2e/reservations/ORD-1",
        "/api/catalogue/%72eservations/ORD-1",
        "/api/catalogue/commits",
        "/api/payment/metrics",
        "/api/cart/ready",
        "/api/user/docs",
        "/api/user/openapi.json",
        "/api/order-processor/metrics",
    ],
)
def test_what_services_do_among_themselves_is_not_there(address: str, path: str) -> None:
    """However it is written."""
    for method in ("GET", "HEAD"):
        answer = raw(address, f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith("HTTP/1.1 404"), answer


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd",
        "/assets/../../../../etc/passwd",
        "/assets/..%2f..%2f..%2f..%2fetc/passwd",
        "/pictures/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/pictures../index.html",
        "/assets//etc/passwd",
        "/pictures/..%5c..%5cetc%5cpasswd",
        "/index.html%00.svg",
    ],
)
def test_no_path_leads_out_of_the_folder(address: str, path: str) -> None:
    """400 or 404, and never a file of the host."""
    answer = raw(address, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.split(" ")[1] in {"400", "404"}, answer
    assert FILE_OF_THE_HOST not in answer


@pytest.mark.parametrize("path", ["/%0d%0aX-Evil:%201", "/orders/%0d%0aSet-Cookie:%20a=b"])
def test_nothing_in_a_path_becomes_a_header(address: str, path: str) -> None:
    """A line end in it stays part of the path."""
    answer = raw(address, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head = answer.partition("\r\n\r\n")[0].lower()
    assert "\nx-evil" not in head
    assert "\nset-cookie" not in head


HEADERS = [
    "traceparent",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "Forwarded",
    "Idempotency-Key",
    "Authorization",
    "Cookie",
    "Host",
]
# a line end, obs-fold, and what some take for a line end
ENDS = [
    "\r\nSet-Cookie: evil=1",
    "\r\n X-Evil: 1",
    "\r\n\tX-Evil: 1",
    "\n X-Evil: 1",
    "\rX-Evil: 1",
]
ENDS += ["%0d%0aX-Evil: 1", "\x00X-Evil: 1", "\x85X-Evil: 1"]


@pytest.mark.parametrize("end", ENDS, ids=ascii)
@pytest.mark.parametrize("name", HEADERS)
def test_nothing_in_a_header_becomes_another_one(
    address: str, platform: Platform, name: str, end: str
) -> None:
    """Nor a line of its own in a log: it is refused, or it stays within its header."""
    mark = f"test-{uuid.uuid4().hex}"
    host = "" if name == "Host" else "Host: x\r\n"
    request = (
        f"GET /api/catalogue/products/{mark} HTTP/1.1\r\n{host}{name}: x{end}\r\n"
        "Connection: close\r\n\r\n"
    )
    answer = raw(address, request)
    assert answer.split(" ")[1] in {"400", "404"}, answer
    head = answer.partition("\r\n\r\n")[0].lower()
    assert "x-evil" not in head
    assert "set-cookie" not in head
    # one answer: the rest was not taken for a request
    assert answer.count("HTTP/1.1 ") == 1
    found = platform.run(platform.group("frontend")[0], f"tail -n 20 {LOG}").splitlines()
    assert all(json.loads(line)["client"] for line in found)


@pytest.mark.parametrize(
    "body",
    [
        '{"sessionId": "x\\r\\nX-Evil: 1", "items": [], "card": {}}',
        '{"sessionId": "x\\u2028X-Evil: 1", "items": [], "card": {}}',
        '{"sessionId": "x\r\nX-Evil: 1", "items": [], "card": {}}',
    ],
    ids=ascii,
)
def test_nothing_in_a_body_becomes_a_header(address: str, body: str) -> None:
    """Refused, whoever asks."""
    content = body.encode()
    answer = raw(
        address,
        "POST /api/payment/payments HTTP/1.1\r\nHost: x\r\nIdempotency-Key: k\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        f"Connection: close\r\n\r\n{body}",
    )
    assert answer.split(" ")[1] in {"400", "401", "422"}, answer
    assert "\nx-evil" not in answer.partition("\r\n\r\n")[0].lower()


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example", "/cart//evil.example"])
def test_nobody_is_led_to_another_site(address: str, path: str) -> None:
    """No answer names a place that the request made up."""
    for host in ("x", "evil.example"):
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
        head = raw(address, request).partition("\r\n\r\n")[0].lower()
        assert "location:" not in head


def test_a_huge_body_is_refused_before_a_service_sees_it(web: httpx.Client) -> None:
    """With a problem document."""
    answer = web.post("/api/user/users", content=b"x" * 1_000_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_trace_of_a_request_is_in_both_logs(web: httpx.Client, platform: Platform) -> None:
    """A client's own as well as one that begins here; what is no trace is not passed on."""
    frontend = platform.group("frontend")[0]
    mark = f"test-{uuid.uuid4().hex}"
    trace = uuid.uuid4().hex
    sent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert web.get(f"/api/catalogue/products/{mark}?secret=1", headers=sent).status_code == 404
    web.get(f"/api/catalogue/products/{mark}", headers={"traceparent": "00-evil\t-01"})

    def lines() -> list[dict[str, str]]:
        found = platform.run(frontend, f"grep {mark} {LOG} || true").splitlines()
        return [json.loads(line) for line in found]

    wait_until("both requests are logged", lambda: len(lines()) == 2)
    first, second = lines()
    assert first["trace_id"] == trace
    assert re.fullmatch("[0-9a-f]{32}", second["trace_id"])
    assert second["trace_id"] != trace
    assert "secret" not in json.dumps(first)
    hosts = platform.group("catalogue")
    for line in (first, second):
        found = platform.each(
            hosts,
            lambda host, line=line: platform.run(  # type: ignore[misc]
                host, f"journalctl --quiet -t catalogue TRACE_ID={line['trace_id']}"
            ),
        )
        assert any(found.values()), line


def test_a_service_that_is_away_is_a_clear_503_and_the_rest_works(
    web: httpx.Client, platform: Platform
) -> None:
    """Not an error page of nginx, and not 502; it goes on by itself."""
    services = shippings(platform)
    for service in services:
        service.stop()
    try:
        answer = web.get("/api/shipping/countries")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
        assert answer.json()["status"] == 503
        assert web.get("/").status_code == 200
        assert web.get("/api/catalogue/categories").status_code == 200
    finally:
        for service in services:
            service.start()
    wait_until(
        "shipping answers", lambda: web.get("/api/shipping/countries").status_code == 200, 15
    )


@pytest.fixture
def half_dead(platform: Platform) -> Iterator[None]:
    """Let nginx know a second host of catalogue and user, on which nothing listens."""
    web = platform.group("frontend")[0]
    shown = ansible.variable("frontend_upstreams")[web]
    # a port of a service's own that nobody uses: refused at once, or dropped by the firewall
    upstreams = shown | {
        name: [*shown[name], shown[name][0].rpartition(":")[0] + ":9"]
        for name in ("catalogue", "user")
    }
    ansible.playbooks("shop", "--limit=frontend", variables={"frontend_upstreams": upstreams})
    try:
        yield
    finally:
        ansible.playbooks("shop", "--limit=frontend")


@pytest.mark.usefixtures("half_dead")
def test_of_two_hosts_of_a_service_one_may_be_dead(web: httpx.Client, platform: Platform) -> None:
    """What is read is answered by the other one; what changes something arrives once."""
    for _ in range(100):
        assert web.get("/api/catalogue/products/Linux").status_code == 200
        # slower than frontend_rate
        time.sleep(0.06)
    frontend = platform.group("frontend")[0]
    traces = [uuid.uuid4().hex for _ in range(10)]
    for trace in traces:
        answer = web.post(
            "/api/user/guests",
            json={"delivery": "token"},
            headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"},
        )
        assert answer.status_code == 201, answer.text

    def seen(trace: str) -> int:
        lines = platform.each(
            platform.group("user"),
            lambda host: platform.run(host, f"journalctl --quiet -t user -o cat TRACE_ID={trace}"),
        )
        return sum(len(text.splitlines()) for text in lines.values())

    # one line per request; a host that could not be connected to has seen nothing of it
    wait_until("each is logged once", lambda: [seen(trace) for trace in traces] == [1] * 10)
    tried = platform.run(frontend, f"grep /api/catalogue/products/Linux {LOG} | tail -n 100")
    assert any("," in json.loads(line)["upstream"] for line in tried.splitlines())


def test_an_address_that_asks_too_often_is_slowed_down(
    web: httpx.Client, platform: Platform
) -> None:
    """429 for what is too much; a moment later it is welcome again, and pages are not counted."""
    assert catalogues(platform)

    def ask(path: str) -> int:
        return web.get(path).status_code

    try:
        with ThreadPoolExecutor(20) as pool:
            states = list(pool.map(ask, ["/api/catalogue/categories"] * 300))
            assert set(states) == {200, 429}
            assert states.count(200) >= 60
            assert set(pool.map(ask, ["/"] * 100)) == {200}
    finally:
        # the others come from the same address
        time.sleep(CALM_SECONDS)
    assert ask("/api/catalogue/categories") == 200


def test_a_webhook_reaches_payment_and_needs_a_signature(web: httpx.Client) -> None:
    """Payment answers it itself: 401, not 404."""
    answer = web.post("/api/payment/webhooks/gateway", json={})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
