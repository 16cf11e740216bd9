"""The rules of sessions: signing in, refreshing, signing out."""

import hmac
import uuid
from datetime import timedelta

from shared.identity.caller import Caller
from shared.logging import get_logger
from users.clock import utc_now
from users.credentials import RefreshToken, digest
from users.domain import Session, TokenPair, User
from users.exceptions import InvalidCredentials, InvalidRefreshToken
from users.fields import canonical_email
from users.passwords import Passwords
from users.revoker import Ended, Revoker
from users.settings import UsersSettings
from users.store import Store
from users.tokens import TokenSigner

log = get_logger()


class SessionService:
    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        signer: TokenSigner,
        revoker: Revoker,
        settings: UsersSettings,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._signer = signer
        self._revoker = revoker
        self._token_seconds = settings.access_token_seconds
        self._lifetime = timedelta(days=settings.session_days)

    async def sign_in(self, email: str, password: str) -> TokenPair:
        """One hash is verified whoever asks, so that the time tells nothing.

        Raises InvalidCredentials, or Busy.
        """
        self._passwords.admit()
        user = await self._find(email)
        verified = user.password_hash if user else None
        if not await self._passwords.verify(password, verified) or user is None:
            raise InvalidCredentials
        refresh = RefreshToken.new()
        now = utc_now()
        async with self._store.transaction() as tx:
            # Looked at again: while we hashed it may have been deactivated or given a new password.
            locked = await tx.users.lock(user.id)
            if locked is None or not locked.is_active or locked.password_hash != verified:
                raise InvalidCredentials
            # A session that ran out stays while its last access token may live, to be revoked with it.
            await tx.sessions.forget(user.id, now - timedelta(seconds=self._token_seconds))
            session = await tx.sessions.add(
                {
                    "id": uuid.uuid4().hex,
                    "user_id": user.id,
                    "family_digest": digest(refresh.family),
                    "refresh_digest": digest(refresh.secret),
                    "expires_at": now + self._lifetime,
                }
            )
        log.info("signed_in", user_id=user.id, session_id=session.id)
        return self._answer(locked, session, refresh)

    async def _find(self, email: str) -> User | None:
        canonical = canonical_email(email)
        if canonical is None:
            return None
        async with self._store.transaction() as tx:
            return await tx.users.by_email(canonical)

    async def refresh(self, given: str) -> TokenPair:
        """Each token works once. One that comes back ends its session (RFC 9700, section 4.14.2).

        A client that refreshes twice at once with one token therefore signs itself out.
        Raises InvalidRefreshToken.
        """
        presented = RefreshToken.parse(given)
        successor = presented.successor()
        async with self._store.transaction() as tx:
            session = await tx.sessions.lock(digest(presented.family))
            user = await tx.users.by_id(session.user_id) if session else None
            if session is None or user is None:
                raise InvalidRefreshToken
            reused = not hmac.compare_digest(session.refresh_digest, digest(presented.secret))
            if reused:
                await tx.sessions.end(session.id, utc_now())
                ended = await self._revoker.end(tx, user.id, [session.id])
            elif session.ended_at or session.expires_at <= utc_now() or not user.is_active:
                raise InvalidRefreshToken
            else:
                await tx.sessions.update(session.id, {"refresh_digest": digest(successor.secret)})
        if reused:  # the transaction is over: the session's end stays, although the answer is an error
            await self._refuse_reuse(session, ended)
        return self._answer(user, session, successor)

    async def _refuse_reuse(self, session: Session, ended: Ended) -> None:
        log.warning("refresh_token_reused", user_id=session.user_id, session_id=session.id)
        await self._revoker.announce(ended)
        raise InvalidRefreshToken

    async def sign_out(self, caller: Caller) -> None:
        """Safe to repeat. Raises redis' errors, and then the session goes on."""
        async with self._store.transaction() as tx:
            ended = await self._revoker.end_session(tx, caller.id, caller.session_id)
        await self._revoker.announce(ended)
        log.info("signed_out", user_id=caller.id, session_id=caller.session_id)

    def _answer(self, user: User, session: Session, refresh: RefreshToken) -> TokenPair:
        token = self._signer.access_token(
            user.id, session.id, admin=user.is_admin, lifetime=self._token_seconds
        )
        return TokenPair(token, self._token_seconds, refresh.text)
