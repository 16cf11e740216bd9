"""Takes access away, at once and everywhere: sessions end in Postgres, Redis tells all services."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from redis.asyncio import Redis

from shared.identity.ended_sessions import publish
from users.clock import utc_now
from users.store import Transaction

MARGIN = 60  # seconds: a token that is being signed while its session ends expires a little later
Ended = Mapping[str, float]


class Revoker:
    """`require_redis` comes before the transaction, so that no connection to Postgres waits for Redis. `end…`
    is the transaction's last act: it writes down what ends. `announce` follows the commit.

    What a failed commit did not end was never announced, so it can be tried again. What was committed and
    could not be announced follows as soon as Redis can be reached: see `restorer`.
    """

    def __init__(self, redis: Redis, token_lifetime: int) -> None:
        self._redis = redis
        self._lifetime = timedelta(seconds=token_lifetime + MARGIN)

    async def require_redis(self) -> None:
        """Without Redis nobody can be told, so nothing is ended: the caller gets 503 and may try again.

        Raises redis' errors.
        """
        await self._redis.ping()

    async def announce(self, ended: Ended) -> None:
        """Raises redis' errors."""
        await publish(self._redis, ended)

    async def end(self, tx: Transaction, user_id: int, session_ids: Sequence[str]) -> Ended:
        """Returns what to announce: all that ended lately, so that a repetition announces it again."""
        now = utc_now()
        await tx.ended.add(user_id, session_ids, now + self._lifetime)
        return await tx.ended.of_user(user_id, now)

    async def end_sessions(self, tx: Transaction, user_id: int, except_session: str | None = None) -> Ended:
        """All sessions of an account, except one."""
        return await self.end(tx, user_id, await tx.sessions.end_all(user_id, utc_now(), except_session))

    async def end_session(self, tx: Transaction, user_id: int, session_id: str) -> Ended:
        await tx.sessions.end(session_id, utc_now())
        return await self.end(tx, user_id, [session_id])

    async def end_key(self, tx: Transaction, user_id: int, session_id: str) -> Ended:
        return await self.end(tx, user_id, [session_id])

    async def end_access(self, tx: Transaction, user_id: int) -> Ended:
        """All sessions of an account, and all current tokens of its API keys."""
        keys = [key.session_id for key in await tx.keys.owned_by(user_id)]
        await tx.keys.renew(user_id)
        return await self.end(tx, user_id, [*await tx.sessions.end_all(user_id, utc_now()), *keys])
