"""Wire models."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.fields import Text

Name = Annotated[Text, StringConstraints(min_length=1, max_length=200), Field(examples=["The first"])]


class NewWidget(BaseModel):
    """Its owner is the caller."""

    model_config = ConfigDict(extra="forbid")

    name: Name


class WidgetOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    owner_id: int
    name: str
    created_at: datetime
