"""One line a request, and those of a worker written together."""

import select
from datetime import UTC, datetime
from time import time

import orjson

from shared.context import CURRENT, RequestContext
from shared.gathering import GATHERING
from shared.log_output import OUTPUT
from shared.logging import get_logger, on_console
from shared.settings import ServiceSettings

QUIET = frozenset({"/health", "/ready", "/metrics"})
log = get_logger()


def log_request(
    method: str,
    path: str,
    status: int,
    seconds: float,
    client: str | None,
    context: RequestContext | None = None,
) -> None:
    """The line of one request; `status` is 0 where no answer began. `context` defaults to the current one."""
    context = context or CURRENT.get()
    if path not in QUIET and GATHERED.add(context, method, path, status, seconds, client):
        return
    token = CURRENT.set(context)
    write = log.debug if path in QUIET else log.info
    write(
        "request",
        method=method,
        path=path,
        status=status or "aborted",
        duration_ms=round(seconds * 1000, 3),
        client=client,
    )
    CURRENT.reset(token)


class GatheredLines:
    """Lines of requests, rendered and written together while a worker gathers and logs JSON.

    structlog takes 20 µs and a system call for each line; this takes 2 µs. A pipe that other workers write to
    keeps together what is no longer than `PIPE_BUF`; and to write more in one go would be felt as latency.
    """

    def __init__(self) -> None:
        self._service: str | None = None
        self._lines = bytearray()
        self._second = 0
        self._timestamp = ""  # of that second, up to the point
        self._touch = GATHERING.touch
        GATHERING.register(self.flush)

    def configure(self, service: str | None) -> None:
        """The service's name if its lines can be gathered, None if structlog has to write each."""
        self._service = service

    def add(
        self,
        context: RequestContext | None,
        method: str,
        path: str,
        status: int,
        seconds: float,
        client: str | None,
    ) -> bool:
        """False if the line has to be written otherwise."""
        if self._service is None or not GATHERING.started:
            return False
        line: dict[str, object] = {
            "method": method,
            "path": path,
            "status": status or "aborted",
            "duration_ms": int(seconds * 1_000_000 + 0.5) / 1000,
            "client": client,
            "event": "request",
            "level": "info",
            "timestamp": self._now(),
            "service": self._service,
        }
        if context is not None:
            line["request_id"] = context.request_id
            line["trace_id"] = context.trace_id
        rendered = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._lines) + len(rendered) > select.PIPE_BUF:
            self.flush()
        self._lines += rendered
        self._touch()
        return True

    def flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, bytearray()
            OUTPUT.write(bytes(lines))

    def _now(self) -> str:
        """Made once a second, but for the fraction: and for that `%06d` would take three times as long."""
        now = time()
        second = int(now)
        if second != self._second:
            self._second = second
            self._timestamp = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._timestamp}{str(1_000_000 + int((now - second) * 1_000_000))[1:]}Z"


GATHERED = GatheredLines()


def gathers(settings: ServiceSettings) -> bool:
    """True if lines of requests are written, and as JSON."""
    return settings.log_level in {"debug", "info"} and not on_console(settings)
