"""What is sent: a fact with its id, its order and its time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FIELD: Final = b"event"  # the one field of a stream entry


class Fact(BaseModel):
    """The data of one kind of event. A change that old consumers cannot read needs a new `version`.

    A sender states all that it says; a consumer has a class of its own with what it reads.
    """

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str]
    version: ClassVar[int] = 1


class Event(BaseModel):
    """`sequence` grows with each event about one subject; another sender's numbers mean nothing here."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(min_length=1, max_length=64, description="The same at each delivery.")
    kind: str = Field(description="`user.deleted`, for example.")
    version: int = Field(ge=1, description="Of the schema of `data`.")
    sequence: int = Field(ge=0, description="Later events about one subject have larger numbers.")
    occurred_at: datetime
    request_id: str = Field(description="Of the request that made it true; empty for a command.")
    data: Mapping[str, Any]


class NotAnEvent(ValueError):
    """A stream entry that cannot be read."""


def encode(event: Event) -> dict[str | bytes, str | bytes]:
    return {FIELD: event.model_dump_json()}


def decode(entry: Mapping[bytes, bytes]) -> Event:
    """Raises NotAnEvent."""
    try:
        return Event.model_validate_json(entry[FIELD])
    except (KeyError, ValidationError) as error:
        raise NotAnEvent(type(error).__name__) from None
