"""What cycles without ASGI share: whose turn it is, the answer's head, and how it is counted and logged."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from time import perf_counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from shared.access_log import log_request
from shared.context import context_of
from shared.metrics import REQUEST_METRICS

Answer = tuple[int, Iterable[tuple[bytes, bytes]], bytes]
"""Status, header fields with the length, and body."""


class OrderedCycle(ABC):
    """One request, from its head to the end of its answer: see `shared.wire.Cycle`.

    What middleware does for other requests (ids, metrics, access log) is done here by the same functions.
    """

    waiting_for_100_continue = False

    def __init__(self, connection: Any, method: str, path: str, template: str) -> None:
        """`template` is the route's path."""
        self._began = perf_counter()
        self._connection = connection
        self._method = method
        self._path = path
        self._template = template
        self._context = context_of(connection.headers)
        self._my_turn = self._whole = self._lost = False
        self.keep_alive: bool = connection.keep_alive_wanted()
        self.response_started = self.response_complete = False

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """A part of the body."""

    @abstractmethod
    def _answer(self) -> None:
        """It is this request's turn, and its body is whole."""

    def start(self) -> None:
        self._my_turn = True
        REQUEST_METRICS.begin()
        if self._whole:
            self._answer()

    def end(self) -> None:
        self._whole = True
        if self._my_turn and not self._lost:
            self._answer()

    def lose(self) -> None:
        if self.response_complete or self._lost:
            return
        self._lost = True
        if self._my_turn:
            self._note(0)

    def _respond(self, answer: Answer) -> None:
        if self._lost:
            return
        status, fields, body = answer
        lines = [b"%b: %b\r\n" % field for field in (*self._connection.server_state.default_headers, *fields)]
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        own = b"x-request-id: %b\r\nx-process-time: %.6f\r\n\r\n" % (
            self._context.request_id.encode(),
            perf_counter() - self._began,
        )
        self._connection.transport.write(b"".join((STATUS_LINE[status], *lines, own, body)))
        self._done(status)

    def _done(self, status: int) -> None:
        """The answer is written."""
        self.response_started = self.response_complete = True
        self._note(status)
        if not self.keep_alive:
            self._connection.transport.close()
        self._connection.on_response_complete()

    def _note(self, status: int) -> None:
        seconds = perf_counter() - self._began
        client = self._connection.client
        REQUEST_METRICS.end(self._method, self._template, status, seconds)
        log_request(self._method, self._path, status, seconds, client[0] if client else None, self._context)
