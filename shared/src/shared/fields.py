"""Field types that keep out what Postgres cannot hold, so that it is a 422 and never a 500."""

import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

LARGEST_ID = 2**63 - 1  # bigint
_DIGITS: Final = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(r"[0-9.eE+-]+")


# Characters that are not shown (Unicode's Default_Ignorable_Code_Point, first plane), as in a set of a regex.
UNSEEN: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
)
_SEEN: Final = re.compile(rf"[^\s{UNSEEN}]")


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _visible(value: str) -> str:
    if not _SEEN.search(value):
        raise ValueError("must contain a character that is shown")
    return value


def at_most(length: int) -> BeforeValidator:
    """Counts what was sent, before whitespace is dropped: what `maxLength` means in OpenAPI."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and len(value) > length:
            raise ValueError(f"should have at most {length} characters")
        return value

    return BeforeValidator(check)


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("should be a whole number in digits")
    return value


def _decimal(value: Any) -> Any:
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        raise ValueError("should be a number")
    return value


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
NOT_BLANK = Field(min_length=1, json_schema_extra={"pattern": rf"^[^\x00]*[^\s\x00{UNSEEN}][^\x00]*$"})
# Beside NOT_BLANK.
VISIBLE = AfterValidator(_visible)
# For an `int` in a body, where neither `true` nor `"1"` is one. The last annotation, or OpenAPI loses others.
A_NUMBER = BeforeValidator(_number)
# For an `int` or a `float` in a path or a query, likewise the last annotation. pydantic also takes `1_0` and
# ` 1 `, and as an `int` `1.0` and `01`: one listing would have many addresses.
IN_DIGITS = BeforeValidator(_digits)
IN_DECIMALS = BeforeValidator(_decimal)
PathId = Annotated[int, Field(ge=1, le=LARGEST_ID), IN_DIGITS]
