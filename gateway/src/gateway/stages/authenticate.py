"""Authenticate: a bearer token verified here, or an API key turned into one."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast

from gateway.api_keys import ApiKeys
from gateway.exceptions import CredentialsAmbiguous
from gateway.exchange import Exchange
from gateway.route_table import Route
from gateway.verification import Verification, authorization_of
from gateway.wire.request import Request
from shared.identity import Caller, TokenVerifier
from shared.identity.exceptions import AdminOnly, TokenInvalid, TokenMissing
from shared.identity.revocations import Revocations

BEARER = b"bearer "


class Authenticate:
    """Holds a request to its route's `auth`; leaves the caller, and what stands for him behind the gateway.

    Waits only for what has to be asked: an API key not seen lately, a signing key not known yet. Raises
    TokenMissing, TokenInvalid, ApiKeyInvalid, AdminOnly, CredentialsAmbiguous, and Unavailable when keys or
    tokens cannot be judged now.
    """

    def __init__(self, verifier: TokenVerifier, revocations: Revocations, api_keys: ApiKeys) -> None:
        self._verifier = verifier
        self._revocations = revocations
        self._verification = Verification(verifier, api_keys, self._admit)

    def __call__(self, exchange: Exchange) -> Awaitable[None] | None:
        route = exchange.route
        if route is None or route.auth == "public":
            return None
        credentials = _credentials(exchange.request)
        token = credentials.token
        if token is not None:
            caller = self._verifier.known(token)
            if caller is None:
                return self._verification.verify(exchange, route, token)
            self._admit(exchange, route, credentials.authorization, caller)
            return None
        if credentials.api_key is not None:
            return self._verification.exchange_key(exchange, route, credentials.api_key)
        if route.auth == "optional":
            return None
        raise TokenMissing

    def _admit(self, exchange: Exchange, route: Route, authorization: bytes, caller: Caller) -> None:
        """Raises TokenInvalid, also for a token of an ended session."""
        if caller.session_id in self._revocations:
            raise TokenInvalid
        if route.auth == "role:admin" and not caller.is_admin:
            raise AdminOnly
        exchange.caller = caller
        exchange.authorization = authorization


@dataclass(slots=True)
class Credentials:
    """The bearer token, or the API key; `authorization` is what upstreams get of a token."""

    token: str | None
    api_key: str | None
    authorization: bytes


def _credentials(request: Request) -> Credentials:
    known = request.known
    if known is None:
        return _read(request)
    if known.credentials is None:
        known.credentials = _read(request)
    return cast("Credentials", known.credentials)


def _read(request: Request) -> Credentials:
    """Two of anything would let two readers disagree."""
    value, key = request.fields.get(b"authorization"), request.fields.get(b"x-api-key")
    if request.repeats(b"authorization"):
        raise CredentialsAmbiguous("Authorization was sent twice.")
    if request.repeats(b"x-api-key"):
        raise CredentialsAmbiguous("X-API-Key was sent twice.")
    if value is not None and key is not None:
        raise CredentialsAmbiguous("Send a token or an API key, not both.")
    token = None if value is None else _bearer(value)
    api_key = None if key is None else key.decode("latin-1")
    return Credentials(token, api_key, b"" if token is None else authorization_of(token))


def _bearer(value: bytes) -> str:
    if value[:7].lower() != BEARER:
        raise TokenInvalid("The scheme must be Bearer.")
    return value[7:].strip().decode("latin-1")
