"""One request on a connection, from its head to the end of its answer."""

import asyncio
from typing import Any, Protocol
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Cycle(Protocol):
    """What the connection asks of whoever answers a request.

    The connection calls `start` once, when all requests before this one are answered, and the other methods
    as the request comes in. When the answer is complete, the cycle sets `response_complete`, closes the
    transport unless `keep_alive` is true, and calls the connection's `on_response_complete`.
    """

    keep_alive: bool
    response_started: bool
    response_complete: bool
    waiting_for_100_continue: bool

    def start(self) -> None:
        """Begin: the body may be complete, or still to come."""

    def feed(self, data: bytes) -> None:
        """More of the body. It also comes when nobody wants it any more."""

    def end(self) -> None:
        """The body is complete."""

    def lose(self) -> None:
        """The client is gone, or was refused: there is nobody to answer. Also before `start`."""


class AsgiCycle(RequestResponseCycle):
    """A request that the ASGI application answers, in a task of its own."""

    def __init__(self, connection: Any, scope: Any, **given: Any) -> None:
        super().__init__(scope, on_response=connection.on_response_complete, **given)
        self._connection = connection

    def start(self) -> None:
        self._connection._start_asgi_task(self, self._connection.app)

    def feed(self, data: bytes) -> None:
        if self.response_complete:
            return
        self.body += data
        if len(self.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        self.message_event.set()

    def end(self) -> None:
        self.more_body = False
        self.message_event.set()

    def lose(self) -> None:
        if not self.response_complete:
            self.disconnected = True
        self.message_event.set()


def asgi_scope(connection: Any) -> dict[str, Any]:
    """The request whose head `connection` has just read."""
    url = httptools.parse_url(connection.url)
    path = url.path.decode("ascii")
    return {
        "type": "http",
        "asgi": {"version": connection.asgi_version, "spec_version": "2.3"},
        "http_version": connection.parser.get_http_version(),
        "server": connection.server,
        "client": connection.client,
        "scheme": connection.scheme,
        "root_path": connection.root_path,
        "headers": connection.headers,
        "state": connection.app_state.copy(),
        "method": connection.parser.get_method().decode("ascii"),
        "path": connection.root_path + (unquote(path) if "%" in path else path),
        "raw_path": connection.root_path.encode("ascii") + url.path,
        "query_string": url.query or b"",
    }


def asgi_cycle(connection: Any, scope: dict[str, Any]) -> AsgiCycle:
    return AsgiCycle(
        connection,
        scope,
        transport=connection.transport,
        flow=connection.flow,
        logger=connection.logger,
        access_logger=connection.access_logger,
        access_log=connection.access_log,
        default_headers=connection.server_state.default_headers,
        message_event=asyncio.Event(),
        expect_100_continue=connection.expect_100_continue,
        keep_alive=connection.keep_alive_wanted(),
    )
