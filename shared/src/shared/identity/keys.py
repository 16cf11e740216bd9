"""The public keys that tokens are verified with (JWKS, RFC 7517)."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import httpx2
from jwt import PyJWK, PyJWKSet
from jwt.exceptions import PyJWTError

from shared.background import repeated
from shared.identity.exceptions import KeysUnavailable
from shared.logging import get_logger

MALFORMED = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)  # raised for a JWKS with unexpected JSON types
MAX_AGE = 60  # seconds after which a removed key is no longer accepted anywhere
RETRY = 5.0  # seconds until the next try after a renewal that failed
log = get_logger()


class Keys(Protocol):
    async def find(self, key_id: str) -> PyJWK | None:
        """The key with this id, if there is one. Raises KeysUnavailable when that cannot be known."""
        ...

    def has(self, key_id: str) -> bool:
        """True if the key is among those that are known now."""
        ...


def parse_keys(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    return {key.key_id: key for key in PyJWKSet.from_dict(dict(document)).keys if key.key_id}


def _some(keys: dict[str, PyJWK]) -> dict[str, PyJWK]:
    """An answer without keys is an error; the known keys stay."""
    if not keys:
        raise ValueError("no key with an id")
    return keys


class StaticKeys:
    """For the service that holds the signing key itself."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._keys = parse_keys(document)

    async def find(self, key_id: str) -> PyJWK | None:
        return self._keys.get(key_id)

    def has(self, key_id: str) -> bool:
        return key_id in self._keys


class RemoteKeys:
    """Keys from a JWKS address, kept and renewed; old ones serve on while the address is down.

    Asked for a key it does not know, it fetches again, but at most every `cooldown` seconds: random key ids
    from outside must not become a storm of fetches.
    """

    def __init__(
        self, url: str, client: httpx2.AsyncClient, *, max_age: float = MAX_AGE, cooldown: float = 1.0
    ) -> None:
        self._url = url
        self._client = client
        self._max_age = max_age
        self._cooldown = cooldown
        self._keys: dict[str, PyJWK] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, key_id: str) -> PyJWK | None:
        key = self._keys.get(key_id)
        if key is None or (self._is_old and not self._lock.locked()):  # one caller renews, the others go on
            await self._renew()
            key = self._keys.get(key_id)
        if key is None and not self._keys:
            raise KeysUnavailable
        return key

    def has(self, key_id: str) -> bool:
        return key_id in self._keys

    @contextlib.asynccontextmanager
    async def renewing(self) -> AsyncIterator["RemoteKeys"]:
        """Renews the keys for as long as the block runs. Cache hits alone would never trigger it."""
        async with repeated(self._renew_old, "signing_keys", pause=min(self._max_age, RETRY)):
            yield self

    async def _renew_old(self) -> None:
        if self._is_old:
            await self._renew()

    @property
    def _is_old(self) -> bool:
        return time.monotonic() - self._fetched_at >= self._max_age

    async def ping(self) -> None:
        """Raises KeysUnavailable while no keys could be fetched yet."""
        if not self._keys:
            await self._renew()
        if not self._keys:
            raise KeysUnavailable

    async def _renew(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried_at < self._cooldown:
                return
            try:
                response = await self._client.get(self._url)
                response.raise_for_status()
                self._keys = _some(parse_keys(response.json()))
                self._fetched_at = time.monotonic()
            except (httpx2.HTTPError, PyJWTError, *MALFORMED) as error:
                log.warning("signing_keys_not_fetched", url=self._url, reason=repr(error))
            finally:
                self._tried_at = time.monotonic()
