"""HTTP in, HTTP out."""

from fastapi import APIRouter, Response

from shared.conditional import MADE, PRIVATE, READ, WRITE, Conditional
from shared.conditions import tag_of
from shared.fields import PathId
from shared.identity.dependencies import ActiveCaller
from shared.pagination import PAGE, Paged
from users.auth_routes import auth, internal
from users.dependencies import (
    ADMIN,
    NO_STORE,
    SIGNED_IN,
    Accounts,
    Admin,
    Administration,
    ApiKeys,
    Audit,
    AuditFilter,
    CallingClient,
    EmailTokens,
    Me,
    SessionId,
    Sessions,
)
from users.schemas import (
    AccountChange,
    ApiKeyCreated,
    ApiKeyOut,
    ApiKeyRequest,
    AuditEventOut,
    EmailChange,
    Registration,
    SessionOut,
    UserChange,
    UserOut,
)

users = APIRouter(prefix="/users", tags=["users"])
keys = APIRouter(prefix="/users/me/api-keys", tags=["API keys"])
own_sessions = APIRouter(prefix="/users/me/sessions", tags=["sessions"])
audit_events = APIRouter(prefix="/audit-events", tags=["users"])
ROUTERS = (auth, own_sessions, keys, users, audit_events, internal)  # literal paths first


@users.post("", status_code=201, responses=MADE)
async def register(
    wanted: Registration, accounts: Accounts, tokens: EmailTokens, response: Response
) -> UserOut:
    user = await accounts.register(wanted)
    await tokens.welcome(user)
    made = UserOut.model_validate(user)
    response.headers["ETag"] = tag_of(made)
    return made


@users.get("/me", responses=READ)
async def read_me(me: Me, conditions: Conditional) -> UserOut:
    return conditions.shown(UserOut.model_validate(me), PRIVATE)


@users.patch("/me", dependencies=[SIGNED_IN], responses=WRITE)
async def change_me(
    wanted: AccountChange,
    me: Me,
    caller: ActiveCaller,
    accounts: Accounts,
    client: CallingClient,
    conditions: Conditional,
) -> UserOut:
    """A new password ends all other sessions."""
    changed = await accounts.change(me, caller.session_id, wanted, client.address, conditions.on(UserOut))
    return conditions.changed(UserOut.model_validate(changed))


@users.post("/me/email", status_code=202, dependencies=[SIGNED_IN])
async def change_email(wanted: EmailChange, me: Me, tokens: EmailTokens, client: CallingClient) -> None:
    """Sends a mail to the new address; the email changes when it is confirmed."""
    await tokens.ask_change(me, wanted.current_password.get_secret_value(), wanted.email, client.address)


@users.delete("/me", status_code=204, dependencies=[SIGNED_IN])
async def close_account(me: Me, accounts: Accounts) -> None:
    """Deletes the account with its sessions and API keys."""
    await accounts.close(me.id)


@own_sessions.get("", dependencies=[SIGNED_IN])
async def list_sessions(me: Me, caller: ActiveCaller, sessions: Sessions) -> list[SessionOut]:
    """Live sessions of this account, most recently used first."""
    return [SessionOut.of(one, caller.session_id) for one in await sessions.live(me.id)]


@own_sessions.delete("", status_code=204, dependencies=[SIGNED_IN])
async def end_other_sessions(caller: ActiveCaller, sessions: Sessions) -> None:
    """Ends all sessions but this one."""
    await sessions.end_others(caller)


@own_sessions.delete("/{session_id}", status_code=204, dependencies=[SIGNED_IN])
async def end_session(session_id: SessionId, me: Me, sessions: Sessions) -> None:
    """Its access tokens are refused at once."""
    await sessions.end(session_id, me.id)


@users.get("", dependencies=[ADMIN], responses=PAGE)
async def list_users(pager: Paged, administration: Administration) -> list[UserOut]:
    """By id. One page, by `skip` or by the cursor in the `Link` of the page before."""
    found = await administration.page(pager.page)
    return [UserOut.model_validate(user) for user in pager.rows(found)]


@users.get("/{user_id}", dependencies=[ADMIN])
async def read_user(user_id: PathId, administration: Administration) -> UserOut:
    return UserOut.model_validate(await administration.read(user_id))


@users.patch("/{user_id}")
async def change_user(
    user_id: PathId, wanted: UserChange, admin: Admin, administration: Administration
) -> UserOut:
    """Deactivation ends all sessions at once and disables all API keys."""
    return UserOut.model_validate(await administration.change(user_id, wanted, admin.id))


@users.delete("/{user_id}", status_code=204)
async def delete_user(user_id: PathId, admin: Admin, administration: Administration) -> None:
    await administration.remove(user_id, admin.id)


@audit_events.get("", dependencies=[ADMIN], responses=PAGE)
async def list_audit_events(query: AuditFilter, pager: Paged, audit: Audit) -> list[AuditEventOut]:
    """The newest first. One page, by `skip` or by the cursor in the `Link` of the page before."""
    found = await audit.page(query.wanted, pager.page)
    return [AuditEventOut.model_validate(event) for event in pager.rows(found, query)]


@keys.post("", status_code=201, dependencies=[SIGNED_IN, NO_STORE])
async def create_key(wanted: ApiKeyRequest, me: Me, api_keys: ApiKeys) -> ApiKeyCreated:
    """The key itself is shown this once."""
    stored, key = await api_keys.create(me.id, wanted)
    return ApiKeyCreated(**ApiKeyOut.model_validate(stored).model_dump(), key=key)


@keys.get("")
async def list_keys(me: Me, api_keys: ApiKeys) -> list[ApiKeyOut]:
    return [ApiKeyOut.model_validate(key) for key in await api_keys.owned_by(me.id)]


@keys.delete("/{key_id}", status_code=204, dependencies=[SIGNED_IN])
async def revoke_key(key_id: PathId, me: Me, api_keys: ApiKeys) -> None:
    """Its tokens are refused at once."""
    await api_keys.revoke(key_id, me.id)
