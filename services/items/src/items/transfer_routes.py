"""HTTP in, HTTP out: many listings at once, one JSON document a line (NDJSON)."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from items.dependencies import FirstLine, ImportId, Imports, Items
from items.domain import Item
from items.schemas import ImportOut, ItemLine, WrongLineOut
from shared.identity.dependencies import ActiveCaller
from shared.pagination import PAGE, Paged

transfers = APIRouter(prefix="/items", tags=["items"])
LINES: Final = "application/x-ndjson"
EXAMPLE: Final = '{"name": "Round diamond, 0.71 ct", "price": "2700.00"}\n'
TEXT: Final[dict[str, Any]] = {"schema": {"type": "string", "examples": [EXAMPLE]}}
BODY: Final[dict[str, Any]] = {"requestBody": {"required": True, "content": {LINES: TEXT}}}


class LinesResponse(StreamingResponse):
    media_type = LINES


@transfers.post("/imports/{import_id}", openapi_extra=BODY)
async def import_items(
    import_id: ImportId, request: Request, caller: ActiveCaller, imports: Imports, line: FirstLine = 1
) -> ImportOut:
    """Lists what the lines of the body say, each as the body of `POST /items`; wrong lines are passed over.

    The body is read as it comes and committed in batches. After a break send the lines from `line` + 1 on, or
    all of them again: a line that was taken is never taken twice.
    """
    return ImportOut.model_validate(await imports.take(import_id, line, request.stream(), caller))


@transfers.get("/imports/{import_id}")
async def read_import(import_id: ImportId, caller: ActiveCaller, imports: Imports) -> ImportOut:
    """How far an import is."""
    return ImportOut.model_validate(await imports.read(import_id, caller))


@transfers.get("/imports/{import_id}/errors", responses=PAGE)
async def list_import_errors(
    import_id: ImportId, caller: ActiveCaller, imports: Imports, pager: Paged
) -> list[WrongLineOut]:
    """The lines that were wrong, and why: the first 10,000 of them."""
    found = await imports.wrong_lines(import_id, pager.page, caller)
    return [WrongLineOut.model_validate(one) for one in pager.rows(found)]


@transfers.get("/exports/mine", response_class=LinesResponse)
async def export_items(caller: ActiveCaller, items: Items) -> LinesResponse:
    """The caller's own listings, the oldest first. The lines can be imported again."""
    return LinesResponse(_lines(await items.export(caller)))


async def _lines(pages: AsyncIterator[Sequence[Item]]) -> AsyncIterator[bytes]:
    async for page in pages:
        yield b"".join(ItemLine.model_validate(item).model_dump_json().encode() + b"\n" for item in page)
