"""The rules of accounts: who may have one, and what its owner may change."""

from collections.abc import Callable

from pydantic import MISSING

from shared.conditions import unconditional
from shared.identity.caller import Caller
from shared.logging import get_logger
from users.domain import User
from users.events import UserDeleted
from users.exceptions import AccountGone, LastAdmin, WrongPassword
from users.password_rules import require_uncommon
from users.passwords import Passwords
from users.revoker import Ended, Revoker
from users.schemas import AccountChange, Registration
from users.store import Store, Transaction
from users.throttle import SignInThrottle

Condition = Callable[[User], None]
log = get_logger()


class AccountService:
    def __init__(
        self, store: Store, passwords: Passwords, revoker: Revoker, throttle: SignInThrottle
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._revoker = revoker
        self._throttle = throttle

    async def register(self, wanted: Registration) -> User:
        """Raises EmailTaken, PasswordTooCommon, or Busy."""
        password = wanted.password.get_secret_value()
        require_uncommon(password, wanted.email, wanted.name)
        password_hash = await self._passwords.hash_for_new(password)
        async with self._store.transaction() as tx:
            user = await tx.users.add(wanted.email, wanted.name, password_hash)
            await tx.audit.add("registered", user.id)
        log.info("user_registered", user_id=user.id)
        return user

    async def of(self, caller: Caller) -> User:
        """The caller's account. Raises AccountGone."""
        return require_active(await self._store.autocommit.users.by_id(caller.id))

    async def change(
        self,
        me: User,
        session_id: str,
        wanted: AccountChange,
        address: str,
        require: Condition = unconditional,
    ) -> User:
        """A new password ends all other sessions, and withdraws tokens sent by mail: whoever knew the old one
        may have asked for a change of the email. API keys stay valid.

        Raises WrongPassword, TooManyAttempts, PasswordTooCommon, Busy, and what `require` raises of the
        locked account.
        """
        new_hash = await self._authorise(me, wanted, address)
        if new_hash:
            await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            user = require_active(await tx.users.lock(me.id))
            require(user)
            if wanted.current_password is not MISSING and user.password_hash != me.password_hash:
                raise WrongPassword  # it was changed while we verified the old one
            changes = wanted.model_dump(include={"name"}, exclude_unset=True)
            if new_hash:
                changes["password_hash"] = new_hash
            user = require_active(await tx.users.update(user.id, changes))
            if new_hash:
                await tx.email_tokens.withdraw(user.id)
                await tx.audit.add("password_changed", user.id)
            ended = await self._revoker.end_sessions(tx, user.id, session_id) if new_hash else {}
        await self._revoker.announce(ended)
        log.info("account_changed", user_id=user.id, fields=sorted(wanted.model_fields_set))
        return user

    async def _authorise(self, me: User, wanted: AccountChange, address: str) -> str | None:
        """Verifies the current password if given. Returns the hash of the new one, if any."""
        if wanted.current_password is not MISSING:
            given = wanted.current_password.get_secret_value()
            await require_password(self._passwords, self._throttle, given, me, address)
        if wanted.password is MISSING:
            return None
        password = wanted.password.get_secret_value()
        require_uncommon(password, me.email, me.name)
        return await self._passwords.hash(password)

    async def close(self, user_id: int) -> None:
        """Raises LastAdmin."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            ended = await remove(tx, require_active(await tx.users.lock(user_id)), self._revoker)
            await tx.audit.add("account_closed", user_id)
        await self._revoker.announce(ended)
        log.info("account_closed", user_id=user_id)


def require_active(user: User | None) -> User:
    """Raises AccountGone if the account was deleted or deactivated."""
    if user is None or not user.is_active:
        raise AccountGone
    return user


async def require_password(
    passwords: Passwords, throttle: SignInThrottle, given: str, user: User, address: str
) -> None:
    """A wrong one counts as a failed sign-in: a stolen token must not help to guess.

    Raises WrongPassword, TooManyAttempts, or Busy.
    """
    passwords.admit()
    async with throttle.attempt(user.email, address):
        if not await passwords.verify(given, user.password_hash):
            raise WrongPassword


async def keep_an_admin(tx: Transaction, user: User) -> None:
    """Call before a locked `user` stops being an administrator. Raises LastAdmin."""
    if user.is_admin and user.is_active and not await tx.users.other_admins(user.id):
        raise LastAdmin


async def remove(tx: Transaction, user: User, revoker: Revoker) -> Ended:
    """Delete an account whose row is locked, and tell the other services. Returns what to announce.

    Raises LastAdmin.
    """
    await keep_an_admin(tx, user)
    ended = await revoker.end_access(tx, user.id)
    await tx.users.remove(user.id)
    await tx.outbox.add(UserDeleted(user_id=user.id))
    return ended
