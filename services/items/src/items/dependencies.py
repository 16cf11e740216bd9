"""What a route asks for."""

from functools import partial
from typing import Annotated

from fastapi import Depends, Query, Request

from items.repository import ItemRepository, find_item
from items.schemas import ItemQuery
from items.service import AppraisalService, ItemService
from shared.database import Session
from shared.fields import PathId
from shared.identity.dependencies import oauth2


async def _items(session: Session) -> ItemService:
    return ItemService(ItemRepository(session))


async def _appraisals(request: Request) -> AppraisalService:
    return AppraisalService(partial(find_item, request.state.database), request.state.appraiser)


ItemId = PathId
Items = Annotated[ItemService, Depends(_items)]
Appraisals = Annotated[AppraisalService, Depends(_appraisals)]
Search = Annotated[ItemQuery, Query()]
Token = Annotated[str, Depends(oauth2)]  # beside an ActiveCaller, who is there only if it is
