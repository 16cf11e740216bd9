"""`If-Match` and `If-None-Match` as parameters of a route, and their documents; see `shared.conditions`."""

from typing import Annotated, Any, Final

from fastapi import Depends, Header, Response
from pydantic import Field

from shared.conditions import Conditions

# Kept by browsers and proxies, which ask each time whether it is still so.
PUBLIC: Final = "public, no-cache"
PRIVATE: Final = "private, no-cache"

_Tags = Annotated[str, Field(json_schema_extra={"pattern": r'^(\*|(W/)?"[!#-~]*")$'})]


async def conditions(
    response: Response,
    if_match: Annotated[
        list[_Tags] | None, Header(description="`ETag` of what is to be changed; 412 if it is another now.")
    ] = None,
    if_none_match: Annotated[
        list[str] | None,
        Header(
            description="`ETag` of what is known; 304 if it still is so. "
            "A write with one that cannot be read is 400."
        ),
    ] = None,
) -> Conditions:
    return Conditions(response, if_match or (), if_none_match or ())


Conditional = Annotated[Conditions, Depends(conditions)]

# For the OpenAPI document.
_HEADERS: Final = {"ETag": {"description": "Changes with what is shown.", "schema": {"type": "string"}}}
READ: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": _HEADERS},
    304: {"description": "What the caller knows is still true", "headers": _HEADERS},
}
WRITE: Final[dict[int | str, dict[str, Any]]] = {200: {"headers": _HEADERS}}
MADE: Final[dict[int | str, dict[str, Any]]] = {201: {"headers": _HEADERS}}
