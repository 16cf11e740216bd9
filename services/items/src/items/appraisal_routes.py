"""HTTP in, HTTP out: what diamonds are worth."""

from fastapi import APIRouter

from items.appraisal_schemas import AppraisalOut, AppraisalPage, AppraisalPageOut
from items.dependencies import Appraisals, ItemId, Token
from shared.identity.dependencies import ActiveCaller

appraising = APIRouter(tags=["items"])


@appraising.post("/appraisals")
async def appraise_items(
    page: AppraisalPage, _caller: ActiveCaller, token: Token, appraisals: Appraisals
) -> AppraisalPageOut:
    """What a model estimates the diamonds of a page to sell for. Any caller may ask.

    Each listing has its own outcome: one that has no price does not take the others with it.
    """
    return AppraisalPageOut.of(await appraisals.appraise_page(page.item_ids, token))


@appraising.post("/items/{item_id}/appraisal")
async def appraise_item(
    item_id: ItemId, _caller: ActiveCaller, token: Token, appraisals: Appraisals
) -> AppraisalOut:
    """What a model estimates the diamond to sell for. Any caller may ask."""
    return AppraisalOut.model_validate(await appraisals.appraise(item_id, token))
