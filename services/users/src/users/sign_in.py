"""The rules of signing in with a password."""

from shared.logging import get_logger
from users.domain import Client, TokenPair, User
from users.exceptions import EmailNotVerified, InvalidCredentials
from users.fields import canonical_email
from users.passwords import Passwords
from users.revoker import Ended
from users.sessions import SessionService
from users.store import Store
from users.throttle import SignInThrottle

log = get_logger()


class SignInService:
    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        sessions: SessionService,
        throttle: SignInThrottle,
        *,
        needs_verified: bool,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._sessions = sessions
        self._throttle = throttle
        self._needs_verified = needs_verified

    async def sign_in(self, email: str, password: str, client: Client) -> TokenPair:
        """Verifies exactly one hash, whether or not the account exists, so that timing reveals nothing.

        Raises InvalidCredentials, EmailNotVerified, TooManyAttempts, or Busy.
        """
        self._passwords.admit()
        canonical = canonical_email(email)
        async with self._throttle.attempt(canonical or "", client.address):
            tokens, ended = await self._checked(canonical, password, client)
        await self._sessions.announce_quietly(ended)
        return tokens

    async def _checked(self, email: str | None, password: str, client: Client) -> tuple[TokenPair, Ended]:
        user = await self._find(email)
        verified = user.password_hash if user else None
        if not await self._passwords.verify(password, verified) or user is None or verified is None:
            await self._note_failure(user)
            raise InvalidCredentials
        upgraded = await self._passwords.upgraded(password, verified)
        async with self._store.transaction() as tx:
            # Read again: it may have been deactivated or given a new password while we hashed.
            locked = await tx.users.lock(user.id)
            if locked is None or not locked.is_active or locked.password_hash != verified:
                raise InvalidCredentials
            if self._needs_verified and not locked.email_verified:
                raise EmailNotVerified
            if upgraded is not None:
                await tx.users.update(user.id, {"password_hash": upgraded})
            return await self._sessions.start(tx, locked, client.name)

    async def _note_failure(self, user: User | None) -> None:
        """Also for unknown accounts, so that both take the same time."""
        await self._store.autocommit.audit.add("sign_in_failed", user.id if user else None)

    async def _find(self, email: str | None) -> User | None:
        if email is None:
            return None
        return await self._store.autocommit.users.by_email(email)
