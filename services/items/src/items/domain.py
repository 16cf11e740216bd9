"""Domain objects: listings, how they are searched, and appraisals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

Features = Mapping[str, Any]  # a diamond's measurements by name; `features.DiamondFeatures` checks them
OwnerState = Literal["active", "deactivated", "deleted"]
Sort = Literal["price", "-price", "created_at", "-created_at", "carat", "-carat"]


@dataclass(frozen=True, slots=True)
class Item:
    """A listing. Only diamonds have features."""

    id: int
    name: str
    description: str
    price: Decimal
    currency: str
    features: Features | None
    owner_id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Search:
    """All filters that are given must hold. Prices are compared as numbers, whatever the currency."""

    min_price: Decimal | None = None
    max_price: Decimal | None = None
    currency: str | None = None
    cut: str | None = None
    color: str | None = None
    clarity: str | None = None
    min_carat: float | None = None
    max_carat: float | None = None
    owner_id: int | None = None
    q: str | None = None
    sort: Sort = "-created_at"


@dataclass(frozen=True, slots=True)
class Import:
    """How far an import is: its last line that was taken, and what became of the lines."""

    id: str
    line: int = 0
    created: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class WrongLine:
    """A line of an import that became no listing."""

    line: int
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """The model that appraised."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Appraisal:
    """What a model estimates a diamond to sell for, and its likely range, in US dollars."""

    item_id: int
    estimate: Decimal
    low: Decimal
    high: Decimal
    model: Model
    appraised_at: datetime


@dataclass(frozen=True, slots=True)
class Appraisable:
    """A listing to appraise: what is remembered of it, and the model that is the default, if one is known."""

    item_id: int
    features: Features | None
    appraisal: Appraisal | None
    default: Model | None

    @property
    def is_current(self) -> bool:
        return self.appraisal is not None and self.appraisal.model == self.default
