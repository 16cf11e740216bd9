"""Who is calling: a bearer token verified here, or an API key turned into one."""

from gateway.api_keys import ApiKeys
from gateway.exceptions import CredentialsAmbiguous
from gateway.headers import Headers
from gateway.route_table import Route
from shared.identity import Caller, Revocations, TokenVerifier
from shared.identity.exceptions import AdminOnly, TokenInvalid, TokenMissing

BEARER = b"bearer "


class Authenticator:
    """Holds a request to its route's `auth`, and says what stands for the caller behind the gateway."""

    def __init__(self, verifier: TokenVerifier, revocations: Revocations, api_keys: ApiKeys) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._api_keys = api_keys

    async def authorization(self, route: Route, headers: Headers) -> bytes | None:
        """The `Authorization` value to pass on, or none.

        Raises TokenMissing, TokenInvalid, ApiKeyInvalid, AdminOnly, CredentialsAmbiguous, and Unavailable
        when keys or tokens cannot be judged now.
        """
        if route.auth == "public":
            return None
        bearer, api_key = _credentials(headers)
        if bearer is None and api_key is None:
            if route.auth == "optional":
                return None
            raise TokenMissing
        if bearer is not None:
            token, caller = bearer, await self._live(bearer)
        else:
            token, caller = await self._exchange(api_key or "")
        self._permit(route, caller)
        return b"Bearer " + token.encode()

    async def _exchange(self, key: str) -> tuple[str, Caller]:
        """A kept token that no longer verifies or was revoked is dropped; the key is exchanged once more."""
        token = await self._api_keys.token_for(key)
        try:
            return token, await self._live(token)
        except TokenInvalid:
            if not self._api_keys.drop(key, token):
                raise
        token = await self._api_keys.token_for(key)
        return token, await self._live(token)

    async def _live(self, token: str) -> Caller:
        """Raises TokenInvalid, also for a token of an ended session."""
        caller = await self._verifier.verify(token)
        if caller.session_id in self._revocations:
            raise TokenInvalid
        return caller

    def _permit(self, route: Route, caller: Caller) -> None:
        if route.auth == "role:admin" and not caller.is_admin:
            raise AdminOnly


def _credentials(headers: Headers) -> tuple[str | None, str | None]:
    """The bearer token and the API key; two of anything would let two readers disagree."""
    bearer: str | None = None
    api_key: str | None = None
    for name, value in headers:
        if name == b"authorization":
            if bearer is not None:
                raise CredentialsAmbiguous("Authorization was sent twice.")
            bearer = _bearer(value)
        elif name == b"x-api-key":
            if api_key is not None:
                raise CredentialsAmbiguous("X-API-Key was sent twice.")
            api_key = value.decode("latin-1")
    if bearer is not None and api_key is not None:
        raise CredentialsAmbiguous("Send a token or an API key, not both.")
    return bearer, api_key


def _bearer(value: bytes) -> str:
    if value[:7].lower() != BEARER:
        raise TokenInvalid("The scheme must be Bearer.")
    return value[7:].strip().decode("latin-1")
