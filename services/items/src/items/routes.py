"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response, status

from items.dependencies import Appraisals, IdempotencyKey, ItemId, Items, ItemSearch, Token
from items.schemas import AppraisalOut, ItemChange, ItemOut, NewItem
from shared.identity import ActiveCaller
from shared.identity.dependencies import Reader
from shared.pagination import TOTAL_COUNT, PageQuery

router = APIRouter(prefix="/items", tags=["items"])


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_item(
    new: NewItem, caller: ActiveCaller, items: Items, response: Response, key: IdempotencyKey = None
) -> ItemOut:
    item = await items.create(new, caller, key)
    response.headers["Location"] = f"/items/{item.id}"
    return ItemOut.model_validate(item)


@router.get("")
async def list_items(query: ItemSearch, page: PageQuery, items: Items, response: Response) -> list[ItemOut]:
    """One page; the total stands in `X-Total-Count`."""
    found, total = await items.search(query.wanted, page)
    response.headers[TOTAL_COUNT] = str(total)
    return [ItemOut.model_validate(item) for item in found]


@router.get("/{item_id}")
async def read_item(item_id: ItemId, reader: Reader, items: Items) -> ItemOut:
    return ItemOut.model_validate(await items.read(item_id, reader))


@router.patch("/{item_id}")
async def change_item(item_id: ItemId, change: ItemChange, caller: ActiveCaller, items: Items) -> ItemOut:
    """By its owner or an administrator."""
    return ItemOut.model_validate(await items.change(item_id, change, caller))


@router.delete("/{item_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_item(item_id: ItemId, caller: ActiveCaller, items: Items) -> None:
    """By its owner or an administrator."""
    await items.remove(item_id, caller)


@router.post("/{item_id}/appraisal")
async def appraise_item(
    item_id: ItemId, _caller: ActiveCaller, token: Token, appraisals: Appraisals
) -> AppraisalOut:
    """What a model estimates the diamond to sell for. Any caller may ask."""
    return AppraisalOut.model_validate(await appraisals.appraise(item_id, token))
