"""What the gateway's own routes ask for."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.openapi import Documentation


async def _documentation(request: Request) -> Documentation:
    documentation: Documentation = request.state.documentation
    return documentation


Documents = Annotated[Documentation, Depends(_documentation)]
