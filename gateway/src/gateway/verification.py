"""What authentication waits for: a signing key not known yet, a token for an API key not seen lately."""

from collections.abc import Callable

from gateway.api_keys import ApiKeys
from gateway.exchange import Exchange
from gateway.route_table import Route
from shared.identity import Caller, TokenVerifier
from shared.identity.exceptions import TokenInvalid

Admit = Callable[[Exchange, Route, bytes, Caller], None]
"""Lets an exchange pass with what upstreams get of its token and with its caller, or raises TokenInvalid."""


class Verification:
    def __init__(self, verifier: TokenVerifier, api_keys: ApiKeys, admit: Admit) -> None:
        self._verifier = verifier
        self._api_keys = api_keys
        self._admit = admit

    async def verify(self, exchange: Exchange, route: Route, token: str) -> None:
        self._admit(exchange, route, authorization_of(token), await self._verifier.verify(token))

    async def exchange_key(self, exchange: Exchange, route: Route, key: str) -> None:
        """A kept token that no longer verifies or was revoked is dropped; the key is exchanged once more."""
        token = await self._api_keys.token_for(key)
        try:
            await self.verify(exchange, route, token)
        except TokenInvalid:
            if not self._api_keys.drop(key, token):
                raise
        else:
            return
        await self.verify(exchange, route, await self._api_keys.token_for(key))


def authorization_of(token: str) -> bytes:
    return b"Bearer " + token.encode()
