"""caller → active caller → administrator, as dependencies whose names stand in a route's signature."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import OAuth2PasswordBearer

from shared.identity.caller import Caller
from shared.identity.exceptions import (
    AdminOnly,
    InsufficientScope,
    KeysUnavailable,
    TokenInvalid,
    TokenMissing,
)

oauth2 = OAuth2PasswordBearer(tokenUrl="/auth/token", refreshUrl="/auth/refresh", auto_error=False)


async def current_caller(request: Request, token: Annotated[str | None, Depends(oauth2)]) -> Caller:
    """The caller that the token identifies; `verifier` is in the lifespan's state."""
    if token is None:
        raise TokenMissing
    caller: Caller = await request.state.verifier.verify(token)
    return caller


CurrentCaller = Annotated[Caller, Depends(current_caller)]


async def active_caller(request: Request, caller: CurrentCaller) -> Caller:
    """A caller whose session has not been ended, and whose scopes allow requests of this method.

    `revocations` is in the lifespan's state.
    """
    if caller.session_id in request.state.revocations:
        raise TokenInvalid
    if not caller.may(request.method):
        raise InsufficientScope
    return caller


ActiveCaller = Annotated[Caller, Depends(active_caller)]


async def reader(request: Request) -> Caller | None:
    """Who reads what everybody may read; nobody if there is no token, or one that is not valid."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        caller: Caller = await request.state.verifier.verify(token)
    except (TokenInvalid, KeysUnavailable):
        return None
    return caller


Reader = Annotated[Caller | None, Depends(reader)]


async def admin_caller(caller: ActiveCaller) -> Caller:
    if not caller.is_admin:
        raise AdminOnly
    return caller


AdminCaller = Annotated[Caller, Depends(admin_caller)]
