"""The address that a request comes from: what proxies say is believed, what clients say is not."""

import pytest
from starlette.requests import Request

from skillupworks.runtime.client_address import TrustedProxies

PROXIES = "10.0.0.5, 10.1.0.0/16, fd00::/8"


def client(peer: str, *forwarded: str, proxies: str = PROXIES) -> str:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    request = Request({"type": "http", "client": (peer, 50_000), "headers": headers})
    return TrustedProxies(proxies).client(request)


def test_without_a_proxy_it_is_the_other_end_of_the_connection() -> None:
    assert client("203.0.113.7") == "203.0.113.7"
    assert client("10.0.0.5") == "10.0.0.5"


def test_a_client_cannot_say_that_it_is_somebody_else() -> None:
    assert client("203.0.113.7", "198.51.100.1") == "203.0.113.7"
    assert client("127.0.0.1", "198.51.100.1") == "127.0.0.1"
    assert client("10.0.0.5", "198.51.100.1", proxies="") == "10.0.0.5"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["2001:db8::7"], "2001:db8::7"),
        # what the client itself sent stands before what the proxy added
        (["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (["203.0.113.7, fd00::1 , 10.1.2.3"], "203.0.113.7"),
        # proxies all the way: the first of them asks for itself
        (["10.1.2.3"], "10.1.2.3"),
        # no address: the last proxy that is known counts
        (["198.51.100.1, unknown"], "10.0.0.5"),
        (["203.0.113.7, <script>, 10.1.2.3"], "10.1.2.3"),
        ([""], "10.0.0.5"),
        ([","], "10.0.0.5"),
        (["203.0.113.7:4711"], "10.0.0.5"),
    ],
    ids=str,
)
def test_a_proxy_of_ours_is_believed_as_far_as_it_knows(
    forwarded: list[str], expected: str
) -> None:
    assert client("10.0.0.5", *forwarded) == expected


def test_a_socket_without_an_address_is_taken_as_it_is() -> None:
    assert client("testclient", "203.0.113.7") == "testclient"


@pytest.mark.parametrize("networks", ["nginx", "10.0.0.0/33", "10.0.0.5/8"])
def test_what_is_no_network_is_refused(networks: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        TrustedProxies(networks)
