"""What `ml-predict` tells the others: facts about models, which each worker sends to `events:ml-predict`."""

from typing import ClassVar, Final

from pydantic import Field

from shared.events import Fact

STREAM: Final = "events:ml-predict"


class DefaultChanged(Fact):
    """Another version is the default: it answers requests that name no version, canaries aside."""

    kind: ClassVar[str] = "model.default_changed"

    model: str
    default: str = Field(description="The version that is the default now.")
    previous: str | None = Field(description="The one before; none for a model of which nothing was known.")
    main: bool = Field(description="True for the model that answers where none is named.")
