"""Pages of a list as parameters of a route, and the headers that go with a page."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel

from shared.fields import IN_DIGITS
from shared.pages import CursorInvalid, Page, Row, Slice

LARGEST_PAGE = 100
LARGEST_SKIP = 1_000_000
LONGEST_CURSOR = 300
TOTAL_COUNT = "X-Total-Count"
ACCURACY = "X-Total-Count-Accuracy"


async def page(
    skip: Annotated[int, Query(ge=0, le=LARGEST_SKIP, description="Rows to pass over."), IN_DIGITS] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows at the most."), IN_DIGITS] = 20,
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
