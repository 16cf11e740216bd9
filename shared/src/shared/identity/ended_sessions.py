"""The list of ended sessions in Redis: written by the service that ends them, read by all others.

It is a sorted set of session ids with the Unix seconds until which their tokens could be used. One more
member names the run of the Redis server for which the list was written. Redis may lose its memory (FLUSHALL,
a restart, a failover); then that member is missing or names another run, and the list does not count until
it has been restored.
"""

import time
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

ENDED = "identity:ended"
CHANNEL = "identity:ended"
_RUN = "run:"
_NEVER = float("inf")


async def publish_end(redis: Redis, session_ids: list[str], lifetime: int) -> None:
    """Tell all services that these sessions are over; `lifetime` is an access token's, in seconds.

    Raises redis' errors.
    """
    until = time.time() + lifetime
    await publish(redis, dict.fromkeys(session_ids, until))


async def publish(redis: Redis, ended: Mapping[str, float]) -> None:
    """Add sessions to the list and tell all services. Raises redis' errors."""
    if not ended:
        return
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zadd(ENDED, dict(ended))
        pipe.zremrangebyscore(ENDED, "-inf", time.time())
        _tell(pipe, ended)
        await pipe.execute()


async def restore(redis: Redis, ended: Mapping[str, float]) -> list[str]:
    """Make the list complete: `ended` is all that has ended. What was missing is published, and returned.

    One transaction, so that memory lost in between is lost with the mark. Raises redis' errors.
    """
    listed, _ = await read(redis)
    missing = {session_id: until for session_id, until in ended.items() if session_id not in listed}
    run = _run_id(await redis.info("server"))
    async with redis.pipeline(transaction=True) as pipe:
        pipe.zremrangebyscore(ENDED, _NEVER, _NEVER)
        pipe.zadd(ENDED, {**ended, f"{_RUN}{run}": _NEVER})
        _tell(pipe, missing)
        await pipe.execute()
    return sorted(missing)


def _tell(pipe: Pipeline, ended: Mapping[str, float]) -> None:
    for session_id, until in ended.items():
        pipe.publish(CHANNEL, f"{until:.0f} {session_id}")


async def read(redis: Redis) -> tuple[dict[str, float], bool]:
    """What has ended, and whether that is all of it. Raises redis' errors.

    Who writes the list takes out what is over: our own clock may be ahead, and be set right later.
    """
    async with redis.pipeline(transaction=True) as pipe:
        pipe.info("server")
        pipe.zrangebyscore(ENDED, "-inf", "+inf", withscores=True)
        info, rows = await pipe.execute()
    listed = {text(member): float(until) for member, until in rows}
    complete = listed.pop(f"{_RUN}{_run_id(info)}", None) is not None
    return {name: until for name, until in listed.items() if until != _NEVER}, complete


async def is_complete(redis: Redis) -> bool:
    """Raises redis' errors."""
    run = _run_id(await redis.info("server"))
    return await redis.zscore(ENDED, f"{_RUN}{run}") is not None


def text(value: str | bytes) -> str:
    """Accepts replies of clients with and without decoding. Invalid UTF-8 is replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _run_id(info: Mapping[str, Any]) -> str:
    return str(info["run_id"])
