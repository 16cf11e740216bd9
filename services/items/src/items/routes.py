"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response

from items.appraisal_routes import appraising
from items.dependencies import IdempotencyKey, ItemId, Items, ItemSearch
from items.schemas import ItemChange, ItemOut, NewItem
from items.transfer_routes import transfers
from shared.conditional import MADE, PUBLIC, READ, WRITE, Conditional
from shared.conditions import tag_of
from shared.identity.dependencies import ActiveCaller, Reader
from shared.pagination import PAGE, Paged

router = APIRouter(prefix="/items", tags=["items"])
ROUTERS = (transfers, appraising, router)  # literal paths first


@router.post("", status_code=201, responses=MADE)
async def create_item(
    new: NewItem, caller: ActiveCaller, items: Items, response: Response, key: IdempotencyKey = None
) -> ItemOut:
    item = ItemOut.model_validate(await items.create(new, caller, key))
    response.headers.update({"Location": f"/items/{item.id}", "ETag": tag_of(item)})
    return item


@router.get("", responses=PAGE)
async def list_items(query: ItemSearch, pager: Paged, items: Items) -> list[ItemOut]:
    """One page, by `skip` or by the cursor in the `Link` of the page before."""
    found = await items.search(query.wanted, pager.page)
    return [ItemOut.model_validate(item) for item in pager.rows(found, query)]


@router.get("/{item_id}", responses=READ)
async def read_item(item_id: ItemId, reader: Reader, items: Items, conditions: Conditional) -> ItemOut:
    item = await items.read(item_id, reader, fresh=conditions.given)
    return conditions.shown(ItemOut.model_validate(item), PUBLIC)


@router.patch("/{item_id}", responses=WRITE)
async def change_item(
    item_id: ItemId, change: ItemChange, caller: ActiveCaller, items: Items, conditions: Conditional
) -> ItemOut:
    """By its owner or an administrator."""
    changed = await items.change(item_id, change, caller, conditions.on(ItemOut))
    return conditions.changed(ItemOut.model_validate(changed))


@router.delete("/{item_id}", status_code=204)
async def delete_item(item_id: ItemId, caller: ActiveCaller, items: Items, conditions: Conditional) -> None:
    """By its owner or an administrator."""
    await items.remove(item_id, caller, conditions.on(ItemOut))
