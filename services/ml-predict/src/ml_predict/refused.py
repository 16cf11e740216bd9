"""The answer to a request that is not read: above capacity most of what a worker does is to refuse."""

from functools import lru_cache
from time import perf_counter
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from ml_predict.exceptions import CallerGone, QueueFull
from ml_predict.lean import LeanRoute
from shared.context import CURRENT, RequestContext
from shared.ordered import OrderedCycle
from shared.problems import problem_response

_ID: Final = "00000000-the-id-of-the-request-0"


class RefusedCycle(OrderedCycle):
    """A request that is refused by its head.

    Its body is thrown away and nobody is identified: both cost more than to answer. It is counted and in the
    access log, without the line of its own that other errors have.
    """

    def __init__(self, connection: Any, route: LeanRoute, error: QueueFull | CallerGone) -> None:
        super().__init__(connection, "POST", connection.url.decode(), route.path)
        self._error = error

    def feed(self, data: bytes) -> None:
        pass

    def _answer(self) -> None:
        connection = self._connection
        if isinstance(self._error, CallerGone):
            connection.transport.abort()  # and `lose` is called
            return
        identifier = self._context.request_id.encode()
        before, between, after = problem(self._error.extra["retry_after"], self._path)
        fields = [*connection.server_state.default_headers, (b"x-request-id", identifier)]
        if not self.keep_alive:
            fields.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        size = len(between) + len(identifier) + len(after)
        seconds = perf_counter() - self._began
        head = b"%b%bcontent-length: %d\r\nx-process-time: %.6f\r\n\r\n" % (before, lines, size, seconds)
        connection.transport.write(b"".join((head, between, identifier, after)))
        self._done(503)


@lru_cache(maxsize=64)
def problem(retry_after: int, path: str) -> tuple[bytes, bytes, bytes]:
    """The beginning of the answer's head, and its body before and after the request's id.

    Made by the functions that make all problems, but once: they take longer than all else in a refusal.
    """
    token = CURRENT.set(RequestContext(_ID, "", ""))
    try:
        response = problem_response(QueueFull(retry_after), path)
    finally:
        CURRENT.reset(token)
    fields = [field for field in response.raw_headers if field[0] != b"content-length"]
    head = STATUS_LINE[response.status_code] + b"".join([b"%b: %b\r\n" % field for field in fields])
    between, _, after = bytes(response.body).rpartition(_ID.encode())
    return head, between, after
