"""The client's real address and scheme where a load balancer stands in front."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"
SCHEMES = frozenset({"http", "https"})


class TrustedProxies:
    """`trusts(peer)` once for each connection; then `client` and `scheme` for each request on it."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, address: str) -> bool:
        return bool(self._networks) and self._is_proxy(address)

    def client(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The last address that is no proxy's. Every proxy appends the one that it heard from.

        What stands before it was said by the client, and proves nothing.
        """
        known = peer
        for address in reversed(_listed(headers, FORWARDED_FOR)):
            if not _is_address(address):
                break
            known = address
            if not self._is_proxy(address):
                break
        return known

    def scheme(self, own: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        said = _listed(headers, FORWARDED_PROTO)
        return said[-1] if said and said[-1] in SCHEMES else own

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _listed(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> list[str]:
    """The elements of all fields of this name, in order."""
    values = [value.decode("latin-1") for name, value in headers if name == wanted]
    return [element.strip() for value in values for element in value.split(",")]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
