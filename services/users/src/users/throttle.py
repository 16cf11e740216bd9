"""Slows down password guessing without locking owners out.

Failures count for the pair of account and address, and for the address; of IPv6 the network (/64) counts as
one address. An account that is attacked from many addresses leaves fewer free attempts to each address that
has never signed in to it; it is never closed.
"""

import contextlib
import hashlib
import ipaddress
import math
import secrets
from collections.abc import AsyncIterator
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.logging import described, get_logger
from users.exceptions import InvalidCredentials, TooManyAttempts, WrongPassword

MEMORY = 900  # seconds for which failures count
KNOWN_FOR = 30 * 24 * 3600  # seconds for which an address stays known to an account
LONGEST_WAIT = 60  # seconds
ATTACKED = 4  # an account with more failures than this many times a pair's free ones is under attack
AT_ONCE = 32  # attempts under way of a pair that has not failed yet
LONGEST_ATTEMPT = 20  # seconds; one that has not ended by then died with its process
log = get_logger()
Outcome = Literal["failed", "succeeded", "released"]

# KEYS of both scripts: pair, address, account, known addresses, the pair's attempts under way. ARGV begins
# with the address and the attempt's own name, so that a command that is repeated counts once.
NOW = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local known = redis.call('SISMEMBER', KEYS[4], ARGV[1]) == 1
local function get(key, field) return tonumber(redis.call('HGET', key, field) or 0) end
"""

# ARGV: … free attempts of a pair, attempts at once, longest attempt, longest wait. Returns milliseconds to
# wait, or 0. A wait that is longer than any was written before the clock was set back.
BEGIN = (
    NOW
    + """
local function left(key)
    local wait = get(key, 'until') - now
    return wait <= 1000 * tonumber(ARGV[6]) and wait or 0
end
local wait = left(KEYS[1])
if not known then wait = math.max(wait, left(KEYS[2])) end
if wait > 0 then return wait end
local failed = get(KEYS[1], 'failed')
local most = tonumber(ARGV[4])
if failed > 0 then most = math.max(1, tonumber(ARGV[3]) - failed) end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
if redis.call('ZCARD', KEYS[5]) >= most then return 1000 end
redis.call('ZADD', KEYS[5], now + 1000 * tonumber(ARGV[5]), ARGV[2])
redis.call('EXPIRE', KEYS[5], ARGV[5])
return 0
"""
)

# ARGV: … outcome, free attempts of a pair, of an address, memory, longest wait, ATTACKED, KNOWN_FOR.
END = (
    NOW
    + """
redis.call('ZREM', KEYS[5], ARGV[2])
local function fail(key, free)
    local n = redis.call('HINCRBY', key, 'failed', 1)
    if free and n >= free then
        redis.call('HSET', key, 'until', now + 1000 * math.min(tonumber(ARGV[7]), 2 ^ (n - free)))
    end
    redis.call('EXPIRE', key, ARGV[6])
    return n
end
if ARGV[3] == 'failed' then
    local free = tonumber(ARGV[4])
    local attacked = fail(KEYS[3]) > free * tonumber(ARGV[8])
    if attacked and not known then free = math.max(1, math.floor(free / 2)) end
    fail(KEYS[1], free)
    fail(KEYS[2], tonumber(ARGV[5]))
elseif ARGV[3] == 'succeeded' then
    redis.call('HDEL', KEYS[1], 'failed', 'until')
    redis.call('SADD', KEYS[4], ARGV[1])
    redis.call('EXPIRE', KEYS[4], ARGV[9])
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
        """Around one attempt, which has failed if it raises InvalidCredentials or WrongPassword.

        Raises TooManyAttempts.
        """
        place = _place(address)
        attempt = await self._admit(email, place)
        outcome: Outcome = "released"
        try:
            yield
            outcome = "succeeded"
        except (InvalidCredentials, WrongPassword):
            outcome = "failed"
            raise
        finally:
            await self._finish(attempt, email, place, outcome)

    async def spend(self, email: str, address: str) -> None:
        """For what is never right or wrong, and only must not be done too often. Raises TooManyAttempts."""
        place = _place(address)
        attempt = await self._admit(email, place)
        await self._finish(attempt, email, place, "failed")

    async def _admit(self, email: str, place: str) -> str:
        """The attempt's name."""
        attempt = secrets.token_hex(8)
        limits = [self._pair_attempts, AT_ONCE, LONGEST_ATTEMPT, LONGEST_WAIT]
        args: list[str | int] = [place, attempt, *limits]
        try:
            wait = await self._begin(keys=_keys(email, place), args=args)
        except RedisError as error:
            log.warning("sign_in_not_throttled", reason=described(error))
            return attempt
        if wait > 0:
            raise TooManyAttempts(math.ceil(wait / 1000))
        return attempt

    async def _finish(self, attempt: str, email: str, place: str, outcome: Outcome) -> None:
        args: list[str | int] = [place, attempt, outcome, *self._limits]
        try:
            await self._end(keys=_keys(email, place), args=args)
        except RedisError as error:
            log.warning("sign_in_not_counted", reason=described(error))


def _keys(email: str, place: str) -> list[str]:
    """Emails are hashed: Redis holds no personal data."""
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    pair = f"{account}:{place}"
    names = f"pair:{pair}", f"address:{place}", f"account:{account}", f"known:{account}"
    return [f"users:sign-in:{name}" for name in (*names, f"under-way:{pair}")]


def _place(address: str) -> str:
    """The network of an IPv6 address: whoever has one of its addresses has all 2 ** 64."""
    try:
        found = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), 64), strict=False))
