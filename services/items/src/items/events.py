"""What `items` tells the others: facts about listings, which `items.relay` sends to `events:items`.

Listings that are hidden with their owner's account are not told of: `user.deactivated` says it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final, Self

from pydantic import Field

from items.domain import Item
from shared.events import Fact

STREAM: Final = "events:items"


class ItemFact(Fact):
    item_id: int
    owner_id: int = Field(description="The account's id.")


class ListedFact(ItemFact):
    name: str
    price: Decimal
    currency: str
    features: Mapping[str, Any] | None = Field(description="A diamond's measurements, else none.")

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(
            item_id=item.id,
            owner_id=item.owner_id,
            name=item.name,
            price=item.price,
            currency=item.currency,
            features=item.features,
        )


class ItemCreated(ListedFact):
    """The new listing."""

    kind: ClassVar[str] = "item.created"


class ItemChanged(ListedFact):
    """The listing as it is now."""

    kind: ClassVar[str] = "item.changed"


class ItemDeleted(ItemFact):
    """By its owner, by an administrator, or because the account was deleted."""

    kind: ClassVar[str] = "item.deleted"
