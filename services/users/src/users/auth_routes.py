"""HTTP in, HTTP out: tokens, and what is done with a token from a mail."""

from fastapi import APIRouter, Response

from shared.identity.dependencies import CurrentCaller
from shared.identity.keys import MAX_AGE
from users.dependencies import (
    GATEWAY,
    NO_STORE,
    SIGNED_IN,
    ApiKeys,
    CallingClient,
    EmailTokens,
    PasswordForm,
    PresentedKey,
    Ring,
    Sessions,
    SignIn,
)
from users.schemas import AccessToken, Confirmation, EmailRequest, Jwks, PasswordReset, Refresh, TokenPair

auth = APIRouter(tags=["authentication"])
internal = APIRouter(prefix="/internal", include_in_schema=False, dependencies=[GATEWAY])


@auth.post("/auth/token", dependencies=[NO_STORE])
async def sign_in(form: PasswordForm, sign_in: SignIn, client: CallingClient) -> TokenPair:
    """The username is the email."""
    return TokenPair.model_validate(await sign_in.sign_in(form.username, form.password, client))


@auth.post("/auth/refresh", dependencies=[NO_STORE])
async def refresh(given: Refresh, sessions: Sessions) -> TokenPair:
    """Each refresh token works once; one that is used again some seconds later ends its session."""
    return TokenPair.model_validate(await sessions.refresh(given.refresh_token.get_secret_value()))


@auth.post("/auth/logout", status_code=204, dependencies=[SIGNED_IN])
async def sign_out(caller: CurrentCaller, sessions: Sessions) -> None:
    """Ends the session of this token. Safe to repeat."""
    await sessions.sign_out(caller)


@auth.post("/auth/password/forgotten", status_code=202)
async def request_password_reset(wanted: EmailRequest, tokens: EmailTokens, client: CallingClient) -> None:
    """Sends a mail with a token, if there is such an account."""
    await tokens.ask("reset", wanted.email, client.address)


@auth.post("/auth/password/reset", status_code=204)
async def reset_password(given: PasswordReset, tokens: EmailTokens) -> None:
    """Ends all sessions."""
    await tokens.reset(given.token.get_secret_value(), given.password.get_secret_value())


@auth.post("/auth/email/verification", status_code=202)
async def resend_verification(wanted: EmailRequest, tokens: EmailTokens, client: CallingClient) -> None:
    """Sends the mail once more, if there is such an account and it needs it."""
    await tokens.ask("verify", wanted.email, client.address)


@auth.post("/auth/email/confirm", status_code=204)
async def confirm_email(given: Confirmation, tokens: EmailTokens) -> None:
    """Verifies an email, or changes the account to it, as the mail said."""
    await tokens.confirm(given.token.get_secret_value())


@auth.get("/.well-known/jwks.json")
async def jwks(ring: Ring, response: Response) -> Jwks:
    """The keys that access tokens are verified with, and those that will sign soon."""
    response.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
    return Jwks.model_validate(ring.jwks)


@internal.post("/api-keys/exchange", dependencies=[NO_STORE])
async def exchange(api_keys: ApiKeys, key: PresentedKey = "") -> AccessToken:
    """A short token for a key."""
    return AccessToken.model_validate(await api_keys.exchange(key))
