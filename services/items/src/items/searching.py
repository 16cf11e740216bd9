"""Searches as statements: filters, orders, and what a cursor of each order holds."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, TypeAdapter
from sqlalchemy import ColumnElement, collate, func, literal, literal_column, select

from items.domain import Item, Search, Sort
from items.features import MAX_CARAT
from items.money import TOO_MUCH
from items.tables import SEARCHED, items
from shared.keyset import Id, List, Order

SHOWN: Final = tuple(items.c[field.name] for field in fields(Item))
VISIBLE: Final = items.c.hidden.is_(False)

_Price = Annotated[Decimal, Field(gt=0, lt=TOO_MUCH, decimal_places=2, allow_inf_nan=False)]
# What is the same time in UTC too: Postgres is asked in UTC.
_Time = Annotated[
    AwareDatetime, Field(ge=datetime(1, 1, 2, tzinfo=UTC), lt=datetime(9999, 12, 31, tzinfo=UTC))
]
_Carat = Annotated[float, Field(gt=0, le=MAX_CARAT, allow_inf_nan=False)] | None


def _carat(item: Item) -> float | None:
    return item.features["carat"] if item.features else None


def _by_price(*, descending: bool) -> Order[Item]:
    position = TypeAdapter(tuple[_Price, Id])
    return Order((items.c.price, items.c.id), lambda item: (item.price, item.id), position, descending)


def _by_age(*, descending: bool) -> Order[Item]:
    position = TypeAdapter(tuple[_Time, Id])
    columns = (items.c.created_at, items.c.id)
    return Order(columns, lambda item: (item.created_at, item.id), position, descending)


def _by_carat(*, descending: bool) -> Order[Item]:
    position = TypeAdapter(tuple[_Carat, Id])
    columns = (items.c.carat, items.c.id)
    return Order(columns, lambda item: (_carat(item), item.id), position, descending, nullable=True)


ORDERS: Final[Mapping[Sort, Order[Item]]] = {
    "price": _by_price(descending=False),
    "-price": _by_price(descending=True),
    "created_at": _by_age(descending=False),
    "-created_at": _by_age(descending=True),
    "carat": _by_carat(descending=False),
    "-carat": _by_carat(descending=True),
}


def _has_words(words: str) -> ColumnElement[bool]:
    """`words` as people type them: all of them, "a phrase", this or that, -without."""
    lowered = func.lower(collate(literal(words), "pg_c_utf8"))
    wanted = func.websearch_to_tsquery(literal_column("'simple'::regconfig"), lowered)
    return SEARCHED.op("@@")(wanted)


FILTERS: Final[Mapping[str, Callable[[Any], ColumnElement[bool]]]] = {
    "min_price": lambda bound: items.c.price >= bound,
    "max_price": lambda bound: items.c.price <= bound,
    "currency": lambda currency: items.c.currency == currency,
    "min_carat": lambda bound: items.c.carat >= bound,
    "max_carat": lambda bound: items.c.carat <= bound,
    "cut": lambda grade: items.c.features.contains({"cut": grade}),
    "color": lambda grade: items.c.features.contains({"color": grade}),
    "clarity": lambda grade: items.c.features.contains({"clarity": grade}),
    "owner_id": lambda owner_id: items.c.owner_id == owner_id,
    "q": _has_words,
}


def listing(query: Search) -> List[Item]:
    """What fits `query`, in its order."""
    fits = [VISIBLE] + [
        condition(value) for name, condition in FILTERS.items() if (value := getattr(query, name)) is not None
    ]
    return List(select(*SHOWN).where(*fits), ORDERS[query.sort], lambda row: Item(**row), repr(query))
