"""The rules of sessions: start, refresh, list, end."""

import hmac
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from shared.exceptions import require_found
from shared.identity.caller import Caller
from shared.logging import described, get_logger
from users.clock import utc_now
from users.credentials import RefreshToken, digest
from users.domain import Session, TokenPair, User
from users.exceptions import InvalidRefreshToken, SessionNotFound
from users.revoker import Ended, Revoker
from users.settings import UsersSettings
from users.store import Store, Transaction
from users.tokens import TokenSigner

log = get_logger()


class SessionService:
    """The next refresh token is derived from the last one with `successor_key`: a retry gets the same."""

    def __init__(
        self,
        store: Store,
        signer: TokenSigner,
        revoker: Revoker,
        settings: UsersSettings,
        successor_key: bytes,
    ) -> None:
        self._store = store
        self._signer = signer
        self._revoker = revoker
        self._successor_key = successor_key
        self._token_seconds = settings.access_token_seconds
        self._lifetime = timedelta(days=settings.session_days)
        self._grace = timedelta(seconds=settings.refresh_grace_seconds)
        self._most = settings.most_sessions

    async def start(self, tx: Transaction, user: User, client: str) -> tuple[TokenPair, Ended]:
        """Starts a session for an account whose row is locked. Also returns ended sessions to announce."""
        now = utc_now()
        refresh = RefreshToken.new()
        # A session that ran out stays while its last access token may live, to be revoked with it.
        await tx.sessions.forget(user.id, now - timedelta(seconds=self._token_seconds))
        oldest = (await tx.sessions.live(user.id, now))[self._most - 1 :]
        for one in oldest:
            await tx.sessions.end(one.id, now)
        ended = await self._revoker.end(tx, user.id, [one.id for one in oldest])
        session = await tx.sessions.add(
            {
                "id": uuid.uuid4().hex,
                "user_id": user.id,
                "family_digest": digest(refresh.family),
                "refresh_digest": digest(refresh.secret),
                "expires_at": now + self._lifetime,
                "client": client,
            }
        )
        await tx.audit.add("signed_in", user.id, session_id=session.id)
        log.info("session_started", user_id=user.id, session_id=session.id, made_room=len(oldest))
        return self._answer(user, session, refresh), ended if oldest else {}

    async def announce_quietly(self, ended: Ended) -> None:
        """Does not fail if Redis is gone; `restorer` announces them later."""
        try:
            await self._revoker.announce(ended)
        except RedisError as error:
            log.warning("session_end_not_announced", reason=described(error))

    async def refresh(self, given: str) -> TokenPair:
        """Each token works once. One that comes back later ends its session (RFC 9700, section 4.14.2).

        Within a few seconds it gets the same successor again, because the client may have lost the answer, or
        two of its tabs asked at once. Raises InvalidRefreshToken.
        """
        presented = RefreshToken.parse(given)
        successor = presented.successor(self._successor_key)
        now = utc_now()
        async with self._store.transaction() as tx:
            session = await tx.sessions.lock(digest(presented.family))
            user = await tx.users.by_id(session.user_id) if session else None
            if session is None or user is None:
                raise InvalidRefreshToken
            current = _is(session.refresh_digest, presented)
            if not current and not self._is_repeated(session, presented, successor, now):
                await tx.sessions.end(session.id, now)
                ended = await self._revoker.end(tx, user.id, [session.id])
                await tx.audit.add("refresh_token_reused", user.id, session_id=session.id)
            elif session.ended_at or session.expires_at <= now or not user.is_active:
                raise InvalidRefreshToken
            else:
                ended = None
                if current:
                    await tx.sessions.rotate(session, digest(successor.secret), now)
        if ended is not None:  # the transaction is over: the end stays, although the answer is an error
            await self._refuse_reuse(session, ended)
        return self._answer(user, session, successor)

    def _is_repeated(
        self, session: Session, presented: RefreshToken, successor: RefreshToken, now: datetime
    ) -> bool:
        """True if the token was replaced within the grace period and its successor was not used yet."""
        return (
            session.rotated_at is not None
            and abs(now - session.rotated_at) < self._grace  # a clock may have been set back
            and _is(session.previous_digest or b"", presented)
            and _is(session.refresh_digest, successor)
        )

    async def _refuse_reuse(self, session: Session, ended: Ended) -> None:
        log.warning("refresh_token_reused", user_id=session.user_id, session_id=session.id)
        await self._revoker.announce(ended)
        raise InvalidRefreshToken

    async def live(self, user_id: int) -> Sequence[Session]:
        """The last used first."""
        return await self._store.autocommit.sessions.live(user_id, utc_now())

    async def end(self, session_id: str, user_id: int) -> None:
        """Raises SessionNotFound, also for another account's; redis' errors, and then it stays live."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            session = await tx.sessions.by_id(session_id)
            owned = session is not None and session.user_id == user_id
            require_found(session, SessionNotFound(), visible=owned)
            ended = await self._revoker.end_session(tx, user_id, session_id)
            await tx.audit.add("session_ended", user_id, session_id=session_id)
        await self._revoker.announce(ended)
        log.info("session_ended", user_id=user_id, session_id=session_id)

    async def end_others(self, caller: Caller) -> None:
        """All but the caller's. Raises redis' errors, and then they stay live."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            ended = await self._revoker.end_sessions(tx, caller.id, caller.session_id)
            await tx.audit.add("session_ended", caller.id, except_session=caller.session_id)
        await self._revoker.announce(ended)
        log.info("other_sessions_ended", user_id=caller.id, session_id=caller.session_id)

    async def sign_out(self, caller: Caller) -> None:
        """Safe to repeat. Raises redis' errors, and then the session stays live."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            ended = await self._revoker.end_session(tx, caller.id, caller.session_id)
            await tx.audit.add("signed_out", caller.id, session_id=caller.session_id)
        await self._revoker.announce(ended)
        log.info("signed_out", user_id=caller.id, session_id=caller.session_id)

    def _answer(self, user: User, session: Session, refresh: RefreshToken) -> TokenPair:
        token = self._signer.access_token(
            user.id, session.id, scopes=user.scopes, lifetime=self._token_seconds
        )
        return TokenPair(token, self._token_seconds, refresh.text)


def _is(stored: bytes, token: RefreshToken) -> bool:
    return hmac.compare_digest(stored, digest(token.secret))
