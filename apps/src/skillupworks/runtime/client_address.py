"""The address that a request comes from, also behind proxies."""

from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from fastapi import Request

__all__ = ["TrustedProxies"]


class TrustedProxies:
    """The networks of the proxies whose X-Forwarded-For is believed; ValueError for a wrong one.

    Everybody can send the header. So it is read from its end, where the last proxy added who had
    asked it, and only for as long as a proxy of ours says so: the first address that is none of
    theirs is the client's.
    """

    def __init__(self, networks: str) -> None:
        """Take networks or addresses, separated by commas."""
        names = [name.strip() for name in networks.split(",")]
        self._networks: list[IPv4Network | IPv6Network] = [
            ip_network(name) for name in names if name
        ]

    def client(self, request: Request) -> str:
        """Return the client's address; that of the last proxy when it did not say an address."""
        address = request.client.host if request.client else ""
        said = ",".join(request.headers.getlist("X-Forwarded-For")).split(",")
        while said and self._trusts(address):
            before = said.pop().strip()
            if _parsed(before) is None:
                break
            address = before
        return address

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
