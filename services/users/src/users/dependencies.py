"""Named dependencies: the caller, the account, the services."""

from typing import Annotated

from fastapi import Depends, Form, Header, Path, Query, Request, Response

from shared.identity.dependencies import ActiveCaller, AdminCaller, CurrentCaller
from shared.identity.exceptions import AdminOnly
from shared.internal import HEADER as INTERNAL_HEADER
from shared.internal import require_internal
from shared.resources import resource
from users.administration import AdminService
from users.api_keys import ApiKeyService, stands_for_key
from users.audit import AuditService
from users.domain import Client, User
from users.email_tokens import EmailTokenService
from users.exceptions import SessionRequired
from users.key_ring import KeyRing
from users.schemas import AuditSearch, PasswordGrant
from users.service import AccountService
from users.sessions import SessionService
from users.sign_in import SignInService

LONGEST_CLIENT = 200
LONGEST_ADDRESS = 45  # of an IPv6 address that holds an IPv4 one

Accounts = Annotated[AccountService, resource("accounts")]
Administration = Annotated[AdminService, resource("administration")]
Sessions = Annotated[SessionService, resource("sessions")]
SignIn = Annotated[SignInService, resource("sign_in")]
ApiKeys = Annotated[ApiKeyService, resource("api_keys")]
EmailTokens = Annotated[EmailTokenService, resource("email_tokens")]
Audit = Annotated[AuditService, resource("audit")]
Ring = Annotated[KeyRing, resource("ring")]

PasswordForm = Annotated[PasswordGrant, Form()]
InternalSecret = Annotated[str, Header(alias=INTERNAL_HEADER)]
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
PresentedKey = Annotated[str, Header(alias="X-API-Key")]


async def gateway_only(request: Request, secret: InternalSecret = "") -> None:
    """Refuses callers without the internal secret; the network alone is not trusted."""
    require_internal(request.state.settings, secret)


GATEWAY = Depends(gateway_only)


async def account(caller: ActiveCaller, accounts: Accounts) -> User:
    """The caller's own account, which may have ended before its token."""
    return await accounts.of(caller)


Me = Annotated[User, Depends(account)]


async def not_by_key(caller: CurrentCaller) -> None:
    """A leaked key must not make further keys, or close the account it leaked from."""
    if stands_for_key(caller):
        raise SessionRequired


SIGNED_IN = Depends(not_by_key)


async def admin(_: AdminCaller, me: Me) -> User:
    """Both the token's scope and the account's current state must say so."""
    if not me.is_admin:
        raise AdminOnly
    return me


Admin = Annotated[User, Depends(admin)]
ADMIN = Depends(admin)


async def client(request: Request) -> Client:
    """The address comes from the gateway, which replaces the header on each request."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    address = forwarded or (request.client.host if request.client else "")
    name = request.headers.get("User-Agent", "").replace("\x00", "")
    return Client(address[:LONGEST_ADDRESS], name[:LONGEST_CLIENT])


AuditFilter = Annotated[AuditSearch, Query()]
CallingClient = Annotated[Client, Depends(client)]


async def no_store(response: Response) -> None:
    """RFC 6749, section 5.1: an answer with a credential must not be cached."""
    response.headers["Cache-Control"] = "no-store"


NO_STORE = Depends(no_store)
