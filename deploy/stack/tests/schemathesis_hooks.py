"""Teaches schemathesis NDJSON: text, whose lines have a meaning of their own."""

from typing import Any

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def _write(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.deserializer(LINES)
def _read(_context: Any, response: Any) -> str:
    return str(response.text)
