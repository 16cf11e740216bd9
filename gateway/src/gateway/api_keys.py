"""API keys become short tokens, so that everything behind the gateway sees one kind of identity.

The phantom-token pattern: the key itself never travels further than to `users`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from typing import Generic, TypeVar

import orjson
from pydantic import BaseModel, SecretStr, ValidationError

from gateway.exceptions import ApiKeyInvalid, KeyExchangeUnavailable
from gateway.fetch import fetch
from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamError
from shared.context import CURRENT
from shared.internal import HEADER
from shared.logging import get_logger

INTERNAL_HEADER = HEADER.lower().encode()
EXCHANGE = b"/internal/api-keys/exchange"
LONGEST = 256
RENEW_BEFORE = 30.0  # seconds of life that a token passed on has left at least
REFUSED_FOR = 2.0  # seconds for which a refusal is remembered
FRESH = 2.0  # seconds: a token younger than this is not exchanged again because it does not verify
TIMEOUT = 2.0
T = TypeVar("T")
log = get_logger()


class _Exchanged(BaseModel):
    access_token: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str
    since: float
    until: float


class ApiKeys:
    """Tokens by key, kept until shortly before they end; `size` at most, the least used dropped first.

    Keys are kept as digests. A revoked key's tokens belong to a session that `users` ends, so a kept token
    is refused like any other of an ended session. Refused keys have a cache of their own: guesses cannot
    push out good keys.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], secret: SecretStr, *, size: int) -> None:
        self._upstreams = upstreams
        self._secret = secret
        self._kept: _Recent[_Kept] = _Recent(size)
        self._refused: _Recent[float] = _Recent(size)  # until when
        self._asking: dict[bytes, asyncio.Task[_Kept]] = {}

    async def token_for(self, key: str) -> str:
        """Raises ApiKeyInvalid, or KeyExchangeUnavailable when `users` cannot be asked."""
        digest = _digest(key)
        now = time.monotonic()
        kept = self._kept.get(digest)
        if kept is not None and kept.until > now:
            return kept.token
        if (self._refused.get(digest) or 0.0) > now:
            raise ApiKeyInvalid
        return (await self._ask_once(digest, key)).token

    def drop(self, key: str, token: str) -> bool:
        """Forget a kept token that does not verify: the clock stepped, or the machine was suspended.

        True if it is worth exchanging the key again. A fresh token is kept: if `users` issues tokens that
        do not verify, asking it on every request would not help.
        """
        digest = _digest(key)
        kept = self._kept.get(digest)
        if kept is None or kept.token != token:
            return True  # another request has dropped it, and may have exchanged the key already
        if time.monotonic() - kept.since < FRESH:
            return False
        self._kept.drop(digest)
        return True

    async def _ask_once(self, digest: bytes, key: str) -> _Kept:
        """However many requests wait for one key, `users` is asked once; one that leaves takes none along."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._ask(digest, key))
            task.add_done_callback(lambda done: self._finish(digest, done))
        return await asyncio.shield(task)

    def _finish(self, digest: bytes, done: asyncio.Task[_Kept]) -> None:
        del self._asking[digest]
        if not done.cancelled() and done.exception() is None:
            self._kept.put(digest, done.result())

    async def _ask(self, digest: bytes, key: str) -> _Kept:
        status, headers, body = await self._exchange(key)
        now = time.monotonic()
        if status == HTTPStatus.UNAUTHORIZED:
            self._refused.put(digest, now + REFUSED_FOR)
            raise ApiKeyInvalid
        if status != HTTPStatus.OK:
            log.warning("key_exchange_failed", status=status)
            raise KeyExchangeUnavailable(retry_after=_retry_after(headers))
        try:
            exchanged = _Exchanged.model_validate(orjson.loads(body))
        except (ValidationError, orjson.JSONDecodeError):
            log.warning("key_exchange_malformed", status=status)
            raise KeyExchangeUnavailable from None  # the cause would be logged, and it quotes the token
        return _Kept(exchanged.access_token, now, now + exchanged.expires_in - RENEW_BEFORE)

    async def _exchange(self, key: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        fields = [b"x-api-key: " + key.encode()]
        fields.append(INTERNAL_HEADER + b": " + self._secret.get_secret_value().encode())
        context = CURRENT.get()
        if context is not None:
            fields.append(b"x-request-id: " + context.request_id.encode())
            fields.append(b"traceparent: " + context.traceparent.encode())
        try:
            return await fetch(self._upstreams["users"], b"POST", EXCHANGE, fields, within=TIMEOUT)
        except UpstreamError as error:
            raise KeyExchangeUnavailable from error


class _Recent(Generic[T]):
    """The `size` most recently used values by digest."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[bytes, T] = OrderedDict()

    def get(self, digest: bytes) -> T | None:
        value = self._values.get(digest)
        if value is not None:
            self._values.move_to_end(digest)
        return value

    def put(self, digest: bytes, value: T) -> None:
        self._values[digest] = value
        self._values.move_to_end(digest)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def drop(self, digest: bytes) -> None:
        self._values.pop(digest, None)


def _digest(key: str) -> bytes:
    """Raises ApiKeyInvalid for a value that no key can have."""
    if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable():
        raise ApiKeyInvalid
    return sha256(key.encode()).digest()


def _retry_after(headers: list[tuple[bytes, bytes]]) -> str | None:
    """What `users` asked for, if it is a number of seconds."""
    for name, value in headers:
        if name == b"retry-after" and value.isdigit() and len(value) <= len("3600"):
            return value.decode()
    return None
