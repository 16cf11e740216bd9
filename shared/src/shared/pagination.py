"""Pages of a list: by `skip` and `limit`, or by a cursor that goes on after the last row of the page before.

A cursor costs the same at any depth, and loses and doubles nothing while rows are inserted; `skip` can jump.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, Final, Generic, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from shared.exceptions import Unprocessable

LARGEST_PAGE = 100
LARGEST_SKIP = 1_000_000
LONGEST_CURSOR = 300
TOTAL_COUNT = "X-Total-Count"
ACCURACY = "X-Total-Count-Accuracy"
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


async def page(
    skip: Annotated[int, Query(ge=0, le=LARGEST_SKIP, description="Rows to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows at the most.")] = 20,
    cursor: Annotated[
        str | None,
        Query(
            max_length=LONGEST_CURSOR,
            pattern="^[A-Za-z0-9_-]+$",
            description="From the `Link` of the page before; instead of `skip`.",
        ),
    ] = None,
) -> Page:
    if cursor is not None and skip:
        raise CursorInvalid
    return Page(skip, limit, cursor)


PageQuery = Annotated[Page, Depends(page)]


class Pager:
    """Tells the caller of the total, and where the next page is."""

    def __init__(self, request: Request, response: Response, page: Page) -> None:
        self.page = page
        self._path = request.url.path
        self._headers = response.headers

    def rows(self, found: Slice[Row], filters: BaseModel | None = None) -> Sequence[Row]:
        """The rows of `found`, after the headers were set. `filters` are the other parameters of the list."""
        if found.total is not None:
            self._headers[TOTAL_COUNT] = str(found.total.count)
            self._headers[ACCURACY] = found.total.accuracy
        if found.following is not None:
            given = filters.model_dump(mode="json", exclude_defaults=True) if filters else {}
            query = urlencode({**given, "limit": self.page.limit, "cursor": found.following})
            self._headers["Link"] = f'<{self._path}?{query}>; rel="next"'
        return found.rows


async def pager(request: Request, response: Response, page: PageQuery) -> Pager:
    return Pager(request, response, page)


Paged = Annotated[Pager, Depends(pager)]
# For the OpenAPI document: `@router.get("", responses=PAGE)`.
PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            TOTAL_COUNT: {
                "description": "Rows on all pages. Not sent with a page that was asked for by its cursor.",
                "schema": {"type": "integer", "minimum": 0},
            },
            ACCURACY: {
                "description": "Whether the total was counted or, above a thousand, estimated.",
                "schema": {"type": "string", "enum": ["exact", "estimate"]},
            },
            "Link": {
                "description": 'The next page, `rel="next"` (RFC 8288). Missing on the last page.',
                "schema": {"type": "string"},
            },
        }
    }
}
