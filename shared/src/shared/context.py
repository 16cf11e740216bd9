"""The request that is being worked on: its ids, for logs, problems and calls to other services."""

import os
import re
import secrets
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

_AT_ONCE = 64  # contexts that are made together
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(slots=True)
class RequestContext:
    """Ids of one request: ours (`X-Request-ID`) and W3C Trace Context's (hexadecimal). Nobody changes them.

    Not frozen, because making one for each request would take four times as long.
    """

    request_id: str
    trace_id: str
    span_id: str
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        """Trace Context level 1, section 3.2: what the next service takes as its parent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    @classmethod
    def start(cls, request_id: bytes | None = None, traceparent: bytes | None = None) -> "RequestContext":
        """Go on with the ids that came in where they are well-formed, and make new ones where not."""
        fresh = _FRESH.take()
        if request_id is None and traceparent is None:
            return fresh
        known = request_id is not None and _REQUEST_ID.fullmatch(request_id)
        trace_id, flags = _parent(traceparent) if traceparent is not None else (None, "00")
        return cls(
            request_id.decode() if request_id is not None and known else fresh.request_id,
            trace_id or fresh.trace_id,
            fresh.span_id,
            flags,
        )


def context_of(headers: Iterable[tuple[bytes, bytes]]) -> RequestContext:
    """The context of a request with these header fields, whose names are in lower case."""
    request_id = traceparent = None
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value
        elif name == b"traceparent":
            traceparent = value
    return RequestContext.start(request_id, traceparent)


class _Fresh:
    """Contexts with random ids, made many at once: the system call for the digits costs more than they do."""

    def __init__(self) -> None:
        self._left: list[RequestContext] = []
        os.register_at_fork(after_in_child=self._left.clear)  # or workers would share ids

    def take(self) -> RequestContext:
        if not self._left:
            ids, traces, spans = _digits(16), _digits(16), _digits(8)
            self._left += [
                RequestContext(request_id, trace_id, span_id)
                for request_id, trace_id, span_id in zip(ids, traces, spans, strict=True)
            ]
        return self._left.pop()


def _digits(octets: int) -> list[str]:
    return secrets.token_bytes(octets * _AT_ONCE).hex(" ", octets).split()


_FRESH = _Fresh()


def _parent(traceparent: bytes) -> tuple[str | None, str]:
    """Trace id and flags, or none: version ff, all-zero ids and a tail on version 00 are invalid."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None, "00"
    version, trace_id, parent_id, flags, tail = match.groups()
    if (
        version == b"ff"
        or not trace_id.strip(b"0")
        or not parent_id.strip(b"0")
        or (version == b"00" and tail)
    ):
        return None, "00"
    return trace_id.decode(), flags.decode()


CURRENT: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)
