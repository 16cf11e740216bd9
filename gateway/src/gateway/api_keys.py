"""API keys become short tokens, so that everything behind the gateway sees one kind of identity.

The phantom-token pattern: the key itself never travels further than to `users`.
"""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

import orjson
from pydantic import BaseModel, ValidationError

from gateway.exceptions import ApiKeyInvalid, KeyExchangeUnavailable
from gateway.upstream import UpstreamError, UpstreamPool
from shared.context import CURRENT
from shared.logging import get_logger

EXCHANGE = b"/internal/api-keys/exchange"
LONGEST = 256
RENEW_BEFORE = 30.0  # seconds of life that a token passed on has left at least
REFUSED_FOR = 2.0  # seconds for which a refusal is remembered
TIMEOUT = 2.0
log = get_logger()


class _Exchanged(BaseModel):
    access_token: str
    expires_in: float


@dataclass(frozen=True, slots=True)
class _Answer:
    token: str | None  # none: refused
    until: float


class ApiKeys:
    """Tokens by key, kept until shortly before they end; `size` at most, the least used dropped first.

    Keys are kept as digests. A revoked key's tokens belong to a session that `users` ends, so a kept token
    is refused like any other of an ended session.
    """

    def __init__(self, users: UpstreamPool, *, size: int) -> None:
        self._users = users
        self._size = size
        self._answers: OrderedDict[bytes, _Answer] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[_Answer]] = {}

    async def token_for(self, key: str) -> str:
        """Raises ApiKeyInvalid, or KeyExchangeUnavailable when `users` cannot be asked."""
        if not key or len(key) > LONGEST or not key.isascii() or not key.isprintable():
            raise ApiKeyInvalid
        digest = sha256(key.encode()).digest()
        answer = self._answers.get(digest)
        if answer is None or answer.until <= time.monotonic():
            answer = await self._ask_once(digest, key)
        else:
            self._answers.move_to_end(digest)
        if answer.token is None:
            raise ApiKeyInvalid
        return answer.token

    async def _ask_once(self, digest: bytes, key: str) -> _Answer:
        """However many requests wait for one key, `users` is asked once; one that leaves takes none along."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._ask(key))
            task.add_done_callback(lambda done: self._keep(digest, done))
        return await asyncio.shield(task)

    def _keep(self, digest: bytes, done: asyncio.Task[_Answer]) -> None:
        del self._asking[digest]
        if done.cancelled() or done.exception() is not None:
            return
        self._answers[digest] = done.result()
        self._answers.move_to_end(digest)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)

    async def _ask(self, key: str) -> _Answer:
        headers = [(b"x-api-key", key.encode())]
        context = CURRENT.get()
        if context is not None:
            headers += [
                (b"x-request-id", context.request_id.encode()),
                (b"traceparent", context.traceparent.encode()),
            ]
        try:
            async with await self._users.request(
                b"POST", EXCHANGE, headers, b"", first_byte_timeout=TIMEOUT, total_timeout=TIMEOUT
            ) as response:
                body = b"".join([chunk async for chunk in response])
        except UpstreamError as error:
            raise KeyExchangeUnavailable from error
        now = time.monotonic()
        if response.status == 401:  # noqa: PLR2004 - the one status that is an answer and no fault
            return _Answer(None, now + REFUSED_FOR)
        try:
            exchanged = _Exchanged.model_validate(orjson.loads(body))
        except (ValidationError, orjson.JSONDecodeError):
            log.warning("key_exchange_malformed", status=response.status)
            raise KeyExchangeUnavailable from None  # the cause would be logged, and it quotes the token
        return _Answer(exchanged.access_token, now + exchanged.expires_in - RENEW_BEFORE)
