"""Domain objects."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Widget:
    id: int
    owner_id: int
    name: str
    created_at: datetime
