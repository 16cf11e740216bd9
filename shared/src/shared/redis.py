"""Redis clients: one for requests, which fails fast, and one for streams, which waits.

Needs the extra `redis`.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

import redis.exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from starlette.requests import Request
from starlette.responses import Response

from shared.exceptions import RedisUnavailable
from shared.problems import handles, service_error, unexpected
from shared.settings import RedisSettings

POOL_SIZE = 32


def request_client(settings: RedisSettings) -> Redis:
    """For the request path: a lost server is an error within about `redis_timeout` seconds.

    One retry without a pause: it replaces a connection that died while idle. A full pool makes callers wait.
    """
    return _client(settings, settings.redis_timeout, Retry(NoBackoff(), 1), decode=True)


def subscriber_client(settings: RedisSettings) -> Redis:
    """For a connection that listens: reads may block for as long as nothing happens.

    It gives bytes: a message that is no UTF-8 must be the reader's problem, not the connection's end.
    """
    return _client(settings, None, Retry(NoBackoff(), 0), decode=False)


def stream_client(settings: RedisSettings) -> Redis:
    """For events: fails fast like a request's client, and gives bytes, because an entry may be anything."""
    return _client(settings, settings.redis_timeout, Retry(NoBackoff(), 1), decode=False)


async def follow(pubsub: PubSub, silence: float, hear: Callable[[dict[str, Any] | None], None]) -> NoReturn:
    """Calls `hear` with each message, and with None after each `silence` seconds without one.

    A connection can die silently, so silence is followed by a PING. Raises redis' ConnectionError if that is
    not answered, and what `hear` raises.
    """
    asked = False
    while True:
        message = await pubsub.get_message(timeout=silence)
        hear(message)
        if message is not None:
            asked = False
        elif asked:
            raise redis.exceptions.ConnectionError("no answer to PING")
        else:
            asked = True
            await pubsub.ping()


def _client(settings: RedisSettings, read_timeout: float | None, retry: Retry, *, decode: bool) -> Redis:
    pool = BlockingConnectionPool.from_url(
        settings.redis_url,
        username=settings.redis_username,
        password=settings.redis_password.get_secret_value(),
        max_connections=POOL_SIZE,
        timeout=settings.redis_timeout,
        socket_timeout=read_timeout,
        socket_connect_timeout=settings.redis_timeout,
        retry=retry,
        decode_responses=decode,
        **({} if settings.redis_url.startswith("unix:") else {"socket_keepalive": True}),
    )
    return Redis.from_pool(pool)


def is_unavailable(error: redis.exceptions.RedisError) -> bool:
    """Whether Redis is gone, or takes no commands now, and not that we asked wrongly."""
    return isinstance(error, _UNAVAILABLE) or _STATE.search(str(error)) is not None


@handles(redis.exceptions.RedisError)
async def redis_error(request: Request, error: redis.exceptions.RedisError) -> Response:
    """Gone, starting, stuck, full or not ours to use is 503. Any other refusal is a bug."""
    if not is_unavailable(error):
        return unexpected(request.url.path, error)
    unavailable = RedisUnavailable()
    unavailable.__cause__ = error
    return await service_error(request, unavailable)


_UNAVAILABLE = (
    redis.exceptions.ConnectionError,
    redis.exceptions.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.MasterDownError,
    # Who may do what is the operator's (deploy/redis.acl): until that is mended we cannot use Redis.
    redis.exceptions.NoPermissionError,
)
# States without a class: a script runs for too long, the disk is full, replicas are missing. In a pipeline,
# redis-py writes before the reply which command it belongs to.
_STATE: Final = re.compile(r"(?:^|caused error: \(')(?:BUSY|MISCONF|NOREPLICAS) ")
