"""Slows down password guessing without locking owners out.

Failures count for the pair of account and address, and for the address. An account that is attacked from many
addresses leaves fewer free attempts to each address that has never signed in to it; it is never closed.
"""

import contextlib
import hashlib
import math
from collections.abc import AsyncIterator
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.logging import get_logger
from users.exceptions import InvalidCredentials, TooManyAttempts

MEMORY = 900  # seconds for which failures count
KNOWN_FOR = 30 * 24 * 3600  # seconds for which an address stays known to an account
LONGEST_WAIT = 60  # seconds
ATTACKED = 4  # an account with more failures than this many times a pair's free ones is under attack
AT_ONCE = 32  # attempts under way of a pair that has not failed yet
log = get_logger()
Outcome = Literal["failed", "succeeded", "released"]

# KEYS of both scripts: pair, address, account, known addresses. ARGV begins with the address.
NOW = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local known = redis.call('SISMEMBER', KEYS[4], ARGV[1]) == 1
local function get(key, field) return tonumber(redis.call('HGET', key, field) or 0) end
"""

# ARGV: address, free attempts of a pair, memory, attempts at once. Returns milliseconds to wait, or 0.
BEGIN = (
    NOW
    + """
local wait = get(KEYS[1], 'until') - now
if not known then wait = math.max(wait, get(KEYS[2], 'until') - now) end
if wait > 0 then return wait end
local failed = get(KEYS[1], 'failed')
local most = tonumber(ARGV[4])
if failed > 0 then most = math.max(1, tonumber(ARGV[2]) - failed) end
if get(KEYS[1], 'running') >= most then return 1000 end
redis.call('HINCRBY', KEYS[1], 'running', 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 0
"""
)

# ARGV: address, outcome, free attempts of a pair, of an address, memory, longest wait, ATTACKED, KNOWN_FOR.
END = (
    NOW
    + """
if get(KEYS[1], 'running') > 0 then redis.call('HINCRBY', KEYS[1], 'running', -1) end
local function fail(key, free)
    local n = redis.call('HINCRBY', key, 'failed', 1)
    if free and n >= free then
        redis.call('HSET', key, 'until', now + 1000 * math.min(tonumber(ARGV[6]), 2 ^ (n - free)))
    end
    redis.call('EXPIRE', key, ARGV[5])
    return n
end
if ARGV[2] == 'failed' then
    local free = tonumber(ARGV[3])
    local attacked = fail(KEYS[3]) > free * tonumber(ARGV[7])
    if attacked and not known then free = math.max(1, math.floor(free / 2)) end
    fail(KEYS[1], free)
    fail(KEYS[2], tonumber(ARGV[4]))
elseif ARGV[2] == 'succeeded' then
    redis.call('HDEL', KEYS[1], 'failed', 'until')
    redis.call('SADD', KEYS[4], ARGV[1])
    redis.call('EXPIRE', KEYS[4], ARGV[8])
end
"""
)


class SignInThrottle:
    """Without Redis nothing is slowed down; hashing itself stays bounded."""

    def __init__(self, redis: Redis, pair_attempts: int, address_attempts: int) -> None:
        self._begin = redis.register_script(BEGIN)
        self._end = redis.register_script(END)
        self._pair_attempts = pair_attempts
        self._limits = [pair_attempts, address_attempts, MEMORY, LONGEST_WAIT, ATTACKED, KNOWN_FOR]

    @contextlib.asynccontextmanager
    async def attempt(self, email: str, address: str) -> AsyncIterator[None]:
        """Around one attempt, which has failed if it raises InvalidCredentials. Raises TooManyAttempts."""
        await self._admit(email, address)
        outcome: Outcome = "released"
        try:
            yield
            outcome = "succeeded"
        except InvalidCredentials:
            outcome = "failed"
            raise
        finally:
            await self._finish(email, address, outcome)

    async def spend(self, email: str, address: str) -> None:
        """For what is never right or wrong, and only must not be done too often. Raises TooManyAttempts."""
        await self._admit(email, address)
        await self._finish(email, address, "failed")

    async def _admit(self, email: str, address: str) -> None:
        args: list[str | int] = [address, self._pair_attempts, MEMORY, AT_ONCE]
        try:
            wait = await self._begin(keys=_keys(email, address), args=args)
        except RedisError as error:
            log.warning("sign_in_not_throttled", reason=repr(error))
            return
        if wait > 0:
            raise TooManyAttempts(math.ceil(wait / 1000))

    async def _finish(self, email: str, address: str, outcome: Outcome) -> None:
        args: list[str | int] = [address, outcome, *self._limits]
        try:
            await self._end(keys=_keys(email, address), args=args)
        except RedisError as error:
            log.warning("sign_in_not_counted", reason=repr(error))


def _keys(email: str, address: str) -> list[str]:
    """Emails are hashed: Redis holds no personal data."""
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    names = (f"pair:{account}:{address}", f"address:{address}", f"account:{account}", f"known:{account}")
    return [f"users:sign-in:{name}" for name in names]
