"""Slows down password guessing without locking owners out.

Attempts count for the pair of account and address, and for the address. An account that is attacked from many
addresses leaves fewer free attempts to each address that has never signed in to it; it is never closed.
"""

import hashlib
import math

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.logging import get_logger
from users.exceptions import TooManyAttempts

MEMORY = 900  # seconds for which attempts count
KNOWN_FOR = 30 * 24 * 3600  # seconds for which an address stays known to an account
LONGEST_WAIT = 60  # seconds
ATTACKED = 4  # times the free attempts of a pair: so many make an account an attacked one
log = get_logger()

# KEYS: pair, address, account, known addresses. ARGV: address, free attempts of a pair and of an address,
# memory, longest wait. Returns milliseconds to wait, or 0 and has counted the attempt. Redis gives the time.
ATTEMPT = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local known = redis.call('SISMEMBER', KEYS[4], ARGV[1]) == 1
local wait = tonumber(redis.call('HGET', KEYS[1], 'until') or 0) - now
if not known then
    wait = math.max(wait, tonumber(redis.call('HGET', KEYS[2], 'until') or 0) - now)
end
if wait > 0 then return wait end
local function count(key, free)
    local n = redis.call('HINCRBY', key, 'n', 1)
    if free and n >= free then
        redis.call('HSET', key, 'until', now + 1000 * math.min(tonumber(ARGV[5]), 2 ^ (n - free)))
    end
    redis.call('EXPIRE', key, ARGV[4])
    return n
end
local free = tonumber(ARGV[2])
if count(KEYS[3]) > free * tonumber(ARGV[6]) and not known then free = math.max(1, math.floor(free / 2)) end
count(KEYS[1], free)
count(KEYS[2], tonumber(ARGV[3]))
return 0
"""


class SignInThrottle:
    """Without Redis nothing is slowed down; hashing itself stays bounded."""

    def __init__(self, redis: Redis, pair_attempts: int, address_attempts: int) -> None:
        self._redis = redis
        self._attempt = redis.register_script(ATTEMPT)
        self._limits = [pair_attempts, address_attempts, MEMORY, LONGEST_WAIT, ATTACKED]

    async def admit(self, email: str, address: str) -> None:
        """Counts an attempt. Raises TooManyAttempts."""
        try:
            wait = await self._attempt(keys=_keys(email, address), args=[address, *self._limits])
        except RedisError as error:
            log.warning("sign_in_not_throttled", reason=repr(error))
            return
        if wait > 0:
            raise TooManyAttempts(math.ceil(wait / 1000))

    async def succeeded(self, email: str, address: str) -> None:
        """Takes the attempt back, and remembers the address for this account."""
        pair, of_address, account, known = _keys(email, address)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(pair)
                pipe.hincrby(of_address, "n", -1)
                pipe.hincrby(account, "n", -1)
                pipe.expire(of_address, MEMORY)
                pipe.expire(account, MEMORY)
                pipe.sadd(known, address)
                pipe.expire(known, KNOWN_FOR)
                await pipe.execute()
        except RedisError as error:
            log.warning("sign_in_not_remembered", reason=repr(error))


def _keys(email: str, address: str) -> list[str]:
    """Emails are hashed: Redis holds no personal data."""
    account = hashlib.sha256(email.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    names = (f"pair:{account}:{address}", f"address:{address}", f"account:{account}", f"known:{account}")
    return [f"users:sign-in:{name}" for name in names]
