"""The rules of administration: what may be done to somebody else's account."""

from shared.exceptions import require_found
from shared.logging import get_logger
from shared.pages import Page, Slice
from users.domain import User
from users.events import UserDeactivated, UserReactivated
from users.exceptions import UserNotFound
from users.fields import canonical_email
from users.revoker import Ended, Revoker
from users.schemas import UserChange
from users.service import keep_an_admin, remove
from users.store import Store, Transaction

NOBODY = 0  # in the audit log: somebody at the command line
log = get_logger()


class AdminService:
    def __init__(self, store: Store, revoker: Revoker) -> None:
        self._store = store
        self._revoker = revoker

    async def page(self, page: Page) -> Slice[User]:
        """Accounts by id. Raises CursorInvalid."""
        async with self._store.transaction() as tx:
            return await tx.users.page(page)

    async def read(self, user_id: int) -> User:
        """Raises UserNotFound."""
        return _found(await self._store.autocommit.users.by_id(user_id))

    async def change(self, user_id: int, wanted: UserChange, actor_id: int | None = None) -> User:
        """Whatever is taken away is gone at once. What is given comes with the next access token.

        `actor_id` is the administrator; without one it is a command. Raises UserNotFound or LastAdmin.
        """
        takes_away = False in (wanted.is_active, wanted.is_admin)
        if takes_away:
            await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            before = _found(await tx.users.lock(user_id))
            if takes_away:
                await keep_an_admin(tx, before)
            user = _found(await tx.users.update(user_id, wanted.model_dump(exclude_unset=True)))
            ended = await self._take_away(tx, user_id, wanted)
            taken = wanted.model_dump(include={"is_active", "is_admin"}, exclude_unset=True)
            await tx.audit.add("account_changed", user_id, actor_id=actor_id or NOBODY, **taken)
            if user.is_active != before.is_active:
                fact = UserReactivated if user.is_active else UserDeactivated
                await tx.outbox.add(fact(user_id=user_id))
        await self._revoker.announce(ended)
        log.info("user_changed", user_id=user_id, actor_id=actor_id, **taken)
        return user

    async def _take_away(self, tx: Transaction, user_id: int, wanted: UserChange) -> Ended:
        if wanted.is_active is False:
            return await self._revoker.end_access(tx, user_id)
        if wanted.is_admin is False:  # its tokens still say so; those of API keys never did
            return await self._revoker.end_sessions(tx, user_id)
        return {}

    async def remove(self, user_id: int, actor_id: int) -> None:
        """Raises UserNotFound or LastAdmin."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            ended = await remove(tx, _found(await tx.users.lock(user_id)), self._revoker)
            await tx.audit.add("account_removed", user_id, actor_id=actor_id)
        await self._revoker.announce(ended)
        log.info("user_removed", user_id=user_id, actor_id=actor_id)

    async def set_admin(self, email: str, *, admin: bool) -> User:
        """By email, for the command. Raises UserNotFound or LastAdmin."""
        async with self._store.transaction() as tx:
            canonical = canonical_email(email)
            user = await tx.users.by_email(canonical) if canonical else None
        if user is None:
            raise UserNotFound(f"There is no account with the email {email!r}.")
        return await self.change(user.id, UserChange(is_admin=admin))


def _found(user: User | None) -> User:
    return require_found(user, UserNotFound())
