"""Field types that keep out what Postgres cannot hold, so that it is a 422 and never a 500."""

from typing import Annotated

from fastapi import Path
from pydantic import AfterValidator, StringConstraints

LARGEST_ID = 2**63 - 1  # bigint


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_without_nul)]
PathId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
