"""The data plane: which requests are its own, and the stages that they go through in order."""

import re
from collections.abc import Sequence
from functools import lru_cache
from types import FunctionType

from gateway.exceptions import HostInvalid, LengthAmbiguous
from gateway.exchange import Exchange, Stage
from gateway.headers import request_fields
from gateway.paths import origin_form
from gateway.route_table import Route, RouteTable
from gateway.stages.match import Match
from gateway.trusted_proxies import TrustedProxies
from gateway.wire.handshake import asks_for_websocket
from gateway.wire.known import KnownFields, KnownHeads
from gateway.wire.request import Request, framing
from gateway.wire.request_line import RequestLine
from gateway.wire.server import ClientConnection
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
        self._stages = tuple(map(_bound, stages))
        self.proxies = proxies
        self.private_port = private_port or None
        self.heads = KnownHeads(request_fields)

    @property
    def routes(self) -> RouteTable:
        return self._match.routes

    def open(self, connection: ClientConnection, whole: bytes | None) -> Exchange | None:
        """An exchange for the request whose head `connection` has just read, or None if it is FastAPI's.

        `whole` is all that has come, where that may be this request alone.
        """
        headers, parser = connection.headers, connection.parser
        fields = dict(headers)
        request = Request(parser.get_method(), origin_form(connection.url), headers, fields)
        request.http_1_0 = parser.get_http_version() == "1.0"
        found: Route | ServiceError | None
        try:
            _check_host(request)
            if b"content-length" in request.fields or b"transfer-encoding" in request.fields:
                request.length, request.chunked = framing(headers)
            found = self._match.find(request)
        except (HostInvalid, LengthAmbiguous) as refused:
            found = refused
        if found is None:
            return None
        if isinstance(found, Route):
            if found.websocket and connection.current is None:
                request.upgrade = asks_for_websocket(request)
            if whole is not None:
                self.heads.keep(whole, headers, fields)
        return Exchange(connection, request, found, self._stages)

    def open_known(
        self,
        connection: ClientConnection,
        line: RequestLine,
        known: KnownFields,
        length: int | None,
    ) -> Exchange | None:
        """The same where the line and the fields are those of earlier requests that were opened."""
        request = Request(line.method, line.target, known.headers, known.fields)
        request.line, request.known, request.length = line, known, length
        found = self._match.find(request)
        return None if found is None else Exchange(connection, request, found, self._stages)


def _bound(stage: Stage) -> Stage:
    """Python calls a function or method at once, and an object only by way of its type."""
    bound: Stage = getattr(stage, "__call__")  # noqa: B004, B009 - mypy knows no such attribute of a callable
    return stage if isinstance(stage, FunctionType) else bound


def _check_host(request: Request) -> None:
    host = request.fields.get(b"host")
    if host is None:
        if not request.http_1_0:
            raise HostInvalid
    elif not _is_host(host) or request.repeats(b"host"):
        raise HostInvalid


@lru_cache(maxsize=1024)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None
