"""The data plane: which requests are its own, and the stages that they go through in order."""

import re
from collections.abc import Mapping, Sequence

from gateway.exceptions import HostInvalid, LengthAmbiguous
from gateway.exchange import Exchange, Stage
from gateway.paths import origin_form
from gateway.route_table import Route, RouteTable
from gateway.stages.match import Match
from gateway.trusted_proxies import TrustedProxies
from gateway.wire.server import ClientConnection
from gateway.wire.stream import framing
from shared.exceptions import ServiceError

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%-]+(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")


class DataPlane:
    """Opens an exchange for each request that the route table names; FastAPI answers the others.

    Connections to `private_port` are for metrics alone.
    """

    def __init__(
        self, match: Match, stages: Sequence[Stage], proxies: TrustedProxies, *, private_port: int
    ) -> None:
        self._match = match
        self._stages = tuple(stages)
        self.proxies = proxies
        self.private_port = private_port or None

    @property
    def routes(self) -> RouteTable:
        return self._match.routes

    def open(self, connection: ClientConnection) -> Exchange | None:
        """An exchange for the request whose head `connection` has just read, or None if it is FastAPI's."""
        headers = connection.headers
        fields = dict(headers)
        target = origin_form(connection.url)
        length, chunked = None, False
        found: Route | ServiceError | None
        try:
            self._check_host(connection, fields)
            if b"content-length" in fields or b"transfer-encoding" in fields:
                length, chunked = framing(headers)
            found = self._match.find(connection.parser.get_method().decode("ascii"), target, fields)
        except (HostInvalid, LengthAmbiguous) as refused:
            found = refused
        if found is None:
            return None
        return Exchange(connection, target, fields, found, self._stages, length=length, chunked=chunked)

    def _check_host(self, connection: ClientConnection, fields: Mapping[bytes, bytes]) -> None:
        host = fields.get(b"host")
        if host is None:
            if connection.parser.get_http_version() != "1.0":
                raise HostInvalid
            return
        if not _HOST.fullmatch(host):
            raise HostInvalid
        if len(fields) != len(connection.headers) and _repeated(connection.headers, b"host"):
            raise HostInvalid


def _repeated(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bool:
    return sum(name == wanted for name, _ in headers) > 1
