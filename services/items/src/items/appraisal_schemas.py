"""Wire models: appraisals of one listing, and of a page of them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import Field

from items.appraisals import Outcome
from items.domain import Appraisal
from shared.exceptions import ServiceError
from shared.fields import A_NUMBER
from shared.pagination import LARGEST_PAGE
from shared.schemas import WireIn, WireOut

LARGEST: Final = 2**53 - 1  # larger integers in JSON are rounded by many clients


class AppraisalPage(WireIn):
    """Listings to appraise at once. One that is named twice is appraised once."""

    item_ids: Annotated[
        list[Annotated[int, Field(ge=1, le=LARGEST), A_NUMBER]],
        Field(min_length=1, max_length=LARGEST_PAGE, examples=[[1, 2, 3]]),
    ]


class ModelOut(WireOut):
    name: str
    version: str


class AppraisalOut(WireOut):
    """What a model estimates the diamond to sell for, and its likely range."""

    item_id: int
    estimate: Decimal
    low: Decimal
    high: Decimal
    currency: Literal["USD"] = "USD"
    model: Annotated[
        ModelOut,
        Field(description="The default model; if that does not answer, the one that appraised last."),
    ]
    appraised_at: datetime


class NotAppraisedOut(WireOut):
    """`code` and `title` are those that the problem of one listing alone would have."""

    item_id: int
    code: Annotated[
        str,
        Field(
            description="`item_not_found`; `not_appraisable`: it has no features; `appraisal_refused`: the "
            "model does not price such a diamond; `appraisal_unavailable`, `appraisal_timeout` or "
            "`appraisal_failed`: the model did not answer, and nothing is remembered.",
            examples=["not_appraisable"],
        ),
    ]
    title: Annotated[str, Field(examples=["This listing cannot be appraised"])]


class AppraisalPageOut(WireOut):
    """Each listing is in one of the two, in the order in which they were named."""

    appraisals: list[AppraisalOut]
    missing: list[NotAppraisedOut]

    @classmethod
    def of(cls, outcomes: Mapping[int, Outcome]) -> Self:
        return cls(
            appraisals=[
                AppraisalOut.model_validate(one) for one in outcomes.values() if isinstance(one, Appraisal)
            ],
            missing=[
                NotAppraisedOut(item_id=item_id, code=one.code, title=one.title)
                for item_id, one in outcomes.items()
                if isinstance(one, ServiceError)
            ],
        )
