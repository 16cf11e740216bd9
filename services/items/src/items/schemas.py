"""Wire models: listings and searches. Unknown fields of a body are refused."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import MISSING, BaseModel, Field, model_validator

from items.domain import Search, Sort
from items.features import MAX_CARAT, Clarity, Color, Cut, DiamondFeatures
from items.money import Currency, Price, PriceBound
from shared.fields import IN_DECIMALS, IN_DIGITS, LARGEST_ID, NOT_BLANK, VISIBLE, Text, at_most
from shared.schemas import WireChange, WireIn, WireOut

Name = Annotated[
    Text, Field(max_length=200, examples=["Round diamond, 0.71 ct"]), NOT_BLANK, VISIBLE, at_most(200)
]
Description = Annotated[Text, Field(max_length=5000, examples=["With a certificate."]), at_most(5000)]
CaratBound = Annotated[float, Field(ge=0, le=MAX_CARAT, allow_inf_nan=False), IN_DECIMALS]


class NewItem(WireIn):
    """A new listing. Its owner is the caller; only diamonds have `features`."""

    name: Name
    description: Description = ""
    price: Price
    currency: Currency = "USD"
    features: DiamondFeatures | None = None


class ItemChange(WireChange):
    """Fields that are given are changed; fields that are left out stay. `features: null` removes them."""

    name: Name | MISSING = MISSING
    description: Description | MISSING = MISSING
    price: Price | MISSING = MISSING
    currency: Currency | MISSING = MISSING
    features: DiamondFeatures | MISSING | None = MISSING


class ItemOut(WireOut):
    id: int
    name: str
    description: str
    price: Annotated[Decimal, Field(examples=["1234.50"])]
    currency: str
    features: DiamondFeatures | None
    owner_id: int
    created_at: datetime
    updated_at: datetime


class ItemLine(WireOut):
    """A listing as a line of an export: what `NewItem` takes."""

    name: str
    description: str
    price: Decimal
    currency: str
    features: DiamondFeatures | None


class ImportOut(WireOut):
    id: str
    line: Annotated[
        int, Field(description="The last line that was taken; the next request goes on after it.")
    ]
    created: Annotated[int, Field(description="Lines that became listings.")]
    failed: Annotated[int, Field(description="Lines that were wrong.")]


class WrongLineOut(WireOut):
    line: int
    code: Annotated[str, Field(examples=["validation_error"])]
    reason: Annotated[str, Field(examples=["price: Input should be greater than 0"])]


class ItemQuery(BaseModel):
    """Filters, all of which must hold, and the order. Prices are compared as numbers, whatever the currency.

    Unknown parameters are ignored, as is usual on the web: links grow `utm_source` and the like on their way.
    """

    min_price: PriceBound | None = None
    max_price: PriceBound | None = None
    currency: Currency | None = None
    cut: Cut | None = None
    color: Color | None = None
    clarity: Clarity | None = None
    min_carat: CaratBound | None = None
    max_carat: CaratBound | None = None
    owner_id: Annotated[int, Field(ge=1, le=LARGEST_ID), IN_DIGITS] | None = None
    q: Annotated[
        Annotated[Text, Field(max_length=200), at_most(200)] | None,
        Field(
            description='Words of the name or the description, in any order and case. "A phrase" in quotes, '
            "`or` between words, `-` before a word that must be missing.",
            examples=["round -heart"],
        ),
    ] = None
    sort: Annotated[
        Sort, Field(description="A minus turns the order round. Listings without a carat come last.")
    ] = "-created_at"

    @model_validator(mode="after")
    def _ranges_hold_something(self) -> Self:
        if self.min_price is not None and self.max_price is not None and self.min_price > self.max_price:
            raise ValueError("min_price is greater than max_price")
        if self.min_carat is not None and self.max_carat is not None and self.min_carat > self.max_carat:
            raise ValueError("min_carat is greater than max_carat")
        return self

    @property
    def wanted(self) -> Search:
        return Search(**{**dict(self), "q": self.q or None})
