"""What wire models have in common: what they refuse, and what a PATCH means."""

from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator


class WireIn(BaseModel):
    """A body. Unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid")


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
