"""`skip` and `limit`, and the total in `X-Total-Count`."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

LARGEST_PAGE = 100
LARGEST_SKIP = 1_000_000
TOTAL_COUNT = "X-Total-Count"


@dataclass(frozen=True, slots=True)
class Page:
    skip: int
    limit: int


async def page(
    skip: Annotated[int, Query(ge=0, le=LARGEST_SKIP, description="Rows to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Rows at the most.")] = 20,
) -> Page:
    return Page(skip, limit)


PageQuery = Annotated[Page, Depends(page)]
