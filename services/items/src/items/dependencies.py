"""Named dependencies: the services, and what a request names."""

from typing import Annotated

from fastapi import Depends, Query

from items.schemas import ItemQuery
from items.service import AppraisalService, ItemService
from shared.fields import PathId
from shared.identity.dependencies import oauth2
from shared.resources import resource

ItemId = PathId
Items = Annotated[ItemService, resource("items")]
Appraisals = Annotated[AppraisalService, resource("appraisals")]
ItemSearch = Annotated[ItemQuery, Query()]
Token = Annotated[str, Depends(oauth2)]  # beside an ActiveCaller, which refuses requests without one
