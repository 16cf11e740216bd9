"""Logging: one event a line, JSON for machines and colours on a terminal, ids on every line."""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

import orjson

from shared.context import CURRENT
from shared.log_output import OUTPUT, TextOutput
from shared.settings import ServiceSettings

# structlog imports rich if it is installed, which is a tenth of the CPU time of a relay's start (0.08 s),
# for a look of stack traces that is not used. A module that is None counts as not installed.
if _HIDDEN := "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python takes it for absent
import structlog
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

if _HIDDEN:
    del sys.modules["rich"]


def configure_logging(settings: ServiceSettings) -> None:
    """Send structlog's events and the standard library's records to stdout in one form."""
    console = on_console(settings)
    common: list[Processor] = [
        structlog.stdlib.add_log_level if console else _add_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _AddService(settings.service),
        _add_request_ids,
    ]
    processors = [*common, *_renderers(console)]
    people = structlog.PrintLoggerFactory(TextOutput(OUTPUT))  # type: ignore[arg-type]  # it only writes
    machines = structlog.BytesLoggerFactory(OUTPUT)  # type: ignore[arg-type]  # the same
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=people if console else machines,
        cache_logger_on_first_use=False,
    )
    OUTPUT.told = _DroppedLines(processors)
    _configure_standard_library(settings.log_level, common, console=console)


def on_console(settings: ServiceSettings) -> bool:
    """True if lines are for people, with colours."""
    return settings.log_format == "console" or (settings.log_format == "auto" and sys.stdout.isatty())


def _configure_standard_library(level: str, common: list[Processor], *, console: bool) -> None:
    renderers = _renderers(console)
    if not console:
        renderers[-1] = _render_text
    handler = logging.StreamHandler(TextOutput(OUTPUT))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Our access log writes one line for each request; these would repeat it.
    for name in ("httpx2", "httpcore2", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _renderers(console: bool) -> list[Processor]:
    # Stacks are written without local variables: those hold passwords, tokens and whole requests.
    if console:
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [ExceptionRenderer(ExceptionDictTransformer(show_locals=False)), _render_bytes]


def _render_bytes(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:  # orjson refuses half a surrogate pair and 2**64; the line is written all the same
        return json.dumps(event, default=str, skipkeys=True).encode()


def _render_text(logger: WrappedLogger, name: str, event: EventDict) -> str:
    return _render_bytes(logger, name, event).decode()


def _add_level(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = "error" if method == "exception" else method
    return event


def _add_logger_name(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    if record is not None:
        event["logger"] = record.name
    return event


def _add_request_ids(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    context = CURRENT.get()
    if context is not None:
        event["request_id"] = context.request_id
        event["trace_id"] = context.trace_id
    return event


class _AddService:
    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        return event


class _DroppedLines:
    """Renders the line about lines that were dropped."""

    def __init__(self, processors: Sequence[Processor]) -> None:
        self._processors = processors

    def __call__(self, number: int) -> bytes:
        line: Any = {"event": "log_lines_dropped", "number": number}
        for process in self._processors:
            line = process(None, "warning", line)
        return (line if isinstance(line, bytes) else line.encode()) + b"\n"


def described(error: BaseException | None) -> str:
    """For a line of the log: its type and what it says. redis-py's `repr` keeps the latter to itself."""
    shown = repr(error)
    name = type(error).__name__
    return shown if error is None or shown.startswith(name) else f"{name}({str(error)!r})"


def get_logger(**initial: Any) -> structlog.typing.FilteringBoundLogger:
    """A logger of events: `log.info("item_created", item_id=item.id)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**initial)
    return logger
