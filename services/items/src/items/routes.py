"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response, status

from items.dependencies import Appraisals, ItemId, Items, Search, Token
from items.schemas import Appraisal, Item, ItemChange, NewItem
from shared.identity import ActiveCaller
from shared.pagination import TOTAL_COUNT, PageQuery

router = APIRouter(prefix="/items", tags=["items"])


@router.post("", status_code=status.HTTP_201_CREATED)
async def create_item(new: NewItem, caller: ActiveCaller, items: Items, response: Response) -> Item:
    item = await items.create(new, caller)
    response.headers["Location"] = f"/items/{item.id}"
    return item


@router.get("")
async def list_items(query: Search, page: PageQuery, items: Items, response: Response) -> list[Item]:
    """One page; how many listings fit in all stands in `X-Total-Count`."""
    found, total = await items.search(query, page)
    response.headers[TOTAL_COUNT] = str(total)
    return found


@router.get("/{item_id}")
async def read_item(item_id: ItemId, items: Items) -> Item:
    return await items.read(item_id)


@router.patch("/{item_id}")
async def change_item(item_id: ItemId, change: ItemChange, caller: ActiveCaller, items: Items) -> Item:
    """By its owner or an administrator."""
    return await items.change(item_id, change, caller)


@router.delete("/{item_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_item(item_id: ItemId, caller: ActiveCaller, items: Items) -> None:
    """By its owner or an administrator."""
    await items.remove(item_id, caller)


@router.post("/{item_id}/appraisal")
async def appraise_item(
    item_id: ItemId, _caller: ActiveCaller, token: Token, appraisals: Appraisals
) -> Appraisal:
    """What a model thinks that the diamond sells for. Any caller may ask."""
    return await appraisals.appraise(item_id, token)
