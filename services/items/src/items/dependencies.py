"""Named dependencies: the services, and what a request names."""

from typing import Annotated

from fastapi import Depends, Header, Path, Query

from items.appraisals import AppraisalService
from items.imports import ImportService
from items.schemas import ItemQuery
from items.service import ItemService
from shared.fields import IN_DIGITS, LARGEST_ID, PathId
from shared.identity.dependencies import oauth2
from shared.resources import resource

ItemId = PathId
Items = Annotated[ItemService, resource("items")]
Imports = Annotated[ImportService, resource("imports")]
Appraisals = Annotated[AppraisalService, resource("appraisals")]
ItemSearch = Annotated[ItemQuery, Query()]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[\\x21-\\x7e]{1,255}$",
        description="Chosen by the client, new for each listing. A repeated request gets the first answer "
        "again and lists nothing; with another body it is a 422. A key is its caller's own, and expires.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]
ImportId = Annotated[
    str,
    Path(
        pattern="^[A-Za-z0-9_-]{8,64}$",
        description="Chosen by the client, new for each file. It is its caller's own, and expires.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]
FirstLine = Annotated[
    int, Query(ge=1, le=LARGEST_ID, description="The number of the body's first line."), IN_DIGITS
]
Token = Annotated[str, Depends(oauth2)]  # beside an ActiveCaller, which refuses requests without one
