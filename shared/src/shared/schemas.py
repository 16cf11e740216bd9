"""What wire models have in common: what they refuse, and what a PATCH means."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

MOST_FIELDS = 100


class WireIn(BaseModel):
    """A body. Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few_fields(cls, body: Any) -> Any:
        """Each unknown field becomes an error, and thousands of errors keep the event loop busy."""
        if isinstance(body, dict) and len(body) > MOST_FIELDS:
            raise ValueError("has too many fields")
        return body


class WireOut(BaseModel):
    """An answer, made from a domain object."""

    model_config = ConfigDict(from_attributes=True)


class WireChange(WireIn):
    """The body of a PATCH: fields that are given are changed, fields that are left out stay (`MISSING`).

    A body that changes nothing is refused. `proofs` are fields that change nothing by themselves.
    """

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    proofs: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set - self.proofs:
            raise ValueError("names nothing to change")
        return self
