"""Pages of a list: by `skip` and `limit`, or by a cursor that goes on after the last row of the page before.

A cursor costs the same at any depth, and loses and doubles nothing while rows are inserted; `skip` can jump.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.exceptions import Unprocessable

FORMAT: Final = b"1"  # another one makes the cursors of earlier releases invalid
DIGEST_SIZE: Final = 9

Row = TypeVar("Row")


class CursorInvalid(Unprocessable):
    code, title = "cursor_invalid", "This cursor does not belong to this list"

    def __init__(self) -> None:
        super().__init__("A cursor goes with the filters and the sort of the page that it came from.")


@dataclass(frozen=True, slots=True)
class Page:
    """What was asked for."""

    skip: int = 0
    limit: int = 20
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """How many rows there are on all pages."""

    count: int
    accuracy: Literal["exact", "estimate"] = "exact"


@dataclass(frozen=True, slots=True)
class Slice(Generic[Row]):
    """What was found: the rows of one page, and the cursor of the next, if there is one.

    There is no total for a page that was asked for by its cursor.
    """

    rows: Sequence[Row]
    following: str | None = None
    total: Total | None = None


def encode_cursor(scope: str, position: Sequence[Any]) -> str:
    """A position in the list that `scope` describes: its sort and its filters."""
    values = TypeAdapter(Any).dump_json(list(position))
    return _as_text(_digest(scope, values) + values)


def decode_cursor(cursor: str, scope: str, position: TypeAdapter[Any]) -> Any:
    """The position, as `position` describes it. Raises CursorInvalid.

    The digest finds mistakes and needs no secret: a forged cursor leads to rows that others lead to as well.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        digest, values = raw[:DIGEST_SIZE], raw[DIGEST_SIZE:]
        if digest != _digest(scope, values) or cursor != _as_text(raw):
            raise CursorInvalid
        return position.validate_json(values)
    except (ValueError, ValidationError) as error:
        raise CursorInvalid from error


def _as_text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(scope: str, values: bytes) -> bytes:
    return blake2b(values, key=blake2b(FORMAT + scope.encode()).digest(), digest_size=DIGEST_SIZE).digest()
