"""Finds what the lifespan yielded, for the named dependencies of a service."""

from typing import Any

from fastapi import Depends, Request


def resource(name: str) -> Any:
    """`Items = Annotated[ItemService, resource("items")]`"""

    async def find(request: Request) -> Any:
        return getattr(request.state, name)

    return Depends(find)
