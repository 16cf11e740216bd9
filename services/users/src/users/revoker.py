"""Takes access away, at once and everywhere: sessions end in Postgres, their tokens through Redis."""

from redis.asyncio import Redis

from shared.identity.revocations import publish_end
from users.clock import utc_now
from users.repository import Transaction

MARGIN = 60  # seconds: a token that is being signed while its session ends expires a little later


class Revoker:
    """Each method is a transaction's last act but the commit: without Redis it raises, and nothing happened.

    The other order would leave, when Redis is gone, a session that is over for us and open for the others.
    """

    def __init__(self, redis: Redis, token_lifetime: int) -> None:
        self._redis = redis
        self._lifetime = token_lifetime + MARGIN

    async def announce(self, session_ids: list[str]) -> None:
        """Raises redis' errors."""
        await publish_end(self._redis, session_ids, self._lifetime)

    async def end_sessions(self, tx: Transaction, user_id: int, but: str | None = None) -> None:
        """All sessions of an account, except one."""
        await self.announce(await tx.sessions.end_all(user_id, utc_now(), but))

    async def end_access(self, tx: Transaction, user_id: int) -> None:
        """All sessions of an account, and all tokens that stand for its API keys.

        Those are refused for one token lifetime, even if the account is reactivated sooner.
        """
        keys = [key.session_id for key in await tx.keys.owned_by(user_id)]
        await self.announce([*await tx.sessions.end_all(user_id, utc_now()), *keys])
