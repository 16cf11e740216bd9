"""Lines of an import: each is a new listing, or wrong for a reason."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Final

from pydantic import ValidationError

from items.domain import WrongLine
from items.lines import split_lines
from items.schemas import NewItem

LONGEST_LINE: Final = 65_536  # bytes; the longest listing takes 62 KiB, when all its characters are escaped
LONGEST_REASON: Final = 500
MOST_REASONS: Final = 3
BATCH_LINES: Final = 200
BATCH_BYTES: Final = 262_144

Line = tuple[int, NewItem | WrongLine | None]  # its number, and none for a blank one


async def batches(chunks: AsyncIterable[bytes], first: int, after: int) -> AsyncIterator[list[Line]]:
    """What comes after the line `after`, in batches of bounded size. `first` is the first line's number.

    Each is a transaction, so of blank lines that follow one another a batch has the last only. It always has
    its first line.
    """
    batch: list[Line] = []
    number, size = first - 1, 0
    async for text in split_lines(chunks, LONGEST_LINE):
        number += 1
        if number <= after:
            continue
        line = _read(number, text)
        if line is None and len(batch) > 1 and batch[-1][1] is None:
            del batch[-1]
        batch.append((number, line))
        size += len(text or b"") + 1
        if len(batch) == BATCH_LINES or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _read(number: int, text: bytes | None) -> NewItem | WrongLine | None:
    if text is None:
        return WrongLine(number, "line_too_long", f"has more than {LONGEST_LINE} bytes")
    if not text.strip():
        return None
    try:
        return NewItem.model_validate_json(text)
    except ValidationError as error:
        return _wrong(number, error)


def _wrong(number: int, error: ValidationError) -> WrongLine:
    """Names each field, never its value. Names can be the caller's own, with what Postgres cannot hold."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if errors[0]["type"] == "json_invalid":
        return WrongLine(number, "malformed_json", "is not valid JSON")
    reasons = (": ".join([".".join(map(str, one["loc"])), one["msg"]]).lstrip(": ") for one in errors)
    reason = "; ".join(list(reasons)[:MOST_REASONS])[:LONGEST_REASON]
    return WrongLine(
        number, "validation_error", reason.encode(errors="replace").decode().replace("\x00", "?")
    )
