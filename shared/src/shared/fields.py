"""Field types that keep out what Postgres cannot hold, so that it is a 422 and never a 500."""

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

LARGEST_ID = 2**63 - 1  # bigint


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


def at_most(length: int) -> BeforeValidator:
    """Counts what was sent, before whitespace is dropped: what `maxLength` means in OpenAPI."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and len(value) > length:
            raise ValueError(f"should have at most {length} characters")
        return value

    return BeforeValidator(check)


def _number(value: Any) -> Any:
    if isinstance(value, (bool, str)):
        raise ValueError("should be a number")  # noqa: TRY004 - pydantic knows ValueError
    return value


Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    AfterValidator(_without_nul),
    Field(json_schema_extra={"pattern": r"^[^\x00]*$"}),
]
NOT_BLANK = Field(min_length=1, json_schema_extra={"pattern": r"^[^\x00]*[^\s\x00][^\x00]*$"})
# For an `int` in a body, where neither `true` nor `"1"` is one. The last annotation, or OpenAPI loses others.
A_NUMBER = BeforeValidator(_number)
PathId = Annotated[int, Field(ge=1, le=LARGEST_ID)]
