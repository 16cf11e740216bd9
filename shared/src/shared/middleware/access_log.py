"""Writes one line a request and tells the caller how long it took."""

from datetime import UTC, datetime
from time import perf_counter, time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.context import CURRENT, RequestContext
from shared.gathering import GATHERING
from shared.logging import get_logger, on_console, render_json, write_lines
from shared.settings import ServiceSettings

QUIET = frozenset({"/health", "/ready", "/metrics"})
MOST_LINES = 1000  # gathered before they are written without waiting
log = get_logger()


class AccessLogMiddleware:
    """`X-Process-Time` is seconds until the answer began; the log's `duration_ms` runs until it ended.

    The query string is not logged: it may hold what should not be kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 0

        async def send_with_time(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                elapsed = b"%.6f" % (perf_counter() - started)
                message["headers"] = [*message.get("headers", ()), (b"x-process-time", elapsed)]
            await send(message)

        try:
            await self._app(scope, receive, send_with_time)
        finally:
            client = scope.get("client")
            log_request(
                scope["method"],
                scope["path"],
                status,
                perf_counter() - started,
                client[0] if client else None,
            )


def log_request(method: str, path: str, status: int, seconds: float, client: str | None) -> None:
    """The line of one request; `status` is 0 where no answer began."""
    if path not in QUIET and GATHERED.add(method, path, status, seconds, client):
        return
    write = log.debug if path in QUIET else log.info
    write(
        "request",
        method=method,
        path=path,
        status=status or "aborted",
        duration_ms=round(seconds * 1000, 3),
        client=client,
    )


class GatheredLines:
    """Lines of requests, rendered and written together while a worker gathers and logs JSON.

    structlog takes 20 µs and a system call for each line; this takes 2 µs.
    """

    def __init__(self) -> None:
        self._service: str | None = None
        self._lines: list[tuple[float, RequestContext | None, str, str, int, float, str | None]] = []
        GATHERING.register(self.flush)

    def configure(self, service: str | None) -> None:
        """The service's name if its lines can be gathered, None if structlog has to write each."""
        self._service = service

    def add(self, method: str, path: str, status: int, seconds: float, client: str | None) -> bool:
        """False if the line has to be written otherwise."""
        if self._service is None or not GATHERING.started:
            return False
        self._lines.append((time(), CURRENT.get(), method, path, status, seconds, client))
        if len(self._lines) >= MOST_LINES:
            self.flush()
        else:
            GATHERING.touch()
        return True

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            write_lines([self._render(*line) for line in lines])

    def _render(
        self,
        at: float,
        context: RequestContext | None,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str | None,
    ) -> bytes:
        """As the processors of `shared.logging` do it; a test compares both."""
        line = {
            "method": method,
            "path": path,
            "status": status or "aborted",
            "duration_ms": round(seconds * 1000, 3),
            "client": client,
            "event": "request",
            "level": "info",
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z"),
            "service": self._service,
        }
        if context is not None:
            line["request_id"] = context.request_id
            line["trace_id"] = context.trace_id
        return render_json(line)


GATHERED = GatheredLines()


def gathers(settings: ServiceSettings) -> bool:
    """True if lines of requests are written, and as JSON."""
    return settings.log_level in {"debug", "info"} and not on_console(settings)
