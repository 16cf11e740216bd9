"""What only the owner of an email can do: verify it, move an account to it, set a new password."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

from shared.background import repeated
from shared.logging import get_logger
from users.clock import utc_now
from users.credentials import digest, new_email_token
from users.domain import EmailToken, Purpose, User
from users.exceptions import Busy, EmailTaken, InvalidEmailToken, MailUnavailable
from users.mailer import Mail, Mailer
from users.password_rules import require_uncommon
from users.passwords import Passwords
from users.revoker import Revoker
from users.service import require_active, require_password
from users.settings import UsersSettings
from users.store import Store, Transaction
from users.throttle import SignInThrottle

LIFETIME = timedelta(hours=1)
AGAIN = timedelta(minutes=1)  # between two messages for one purpose to one account
LOOK = 3600.0  # seconds between two looks for tokens that have expired
SUBJECTS: dict[Purpose, str] = {
    "verify": "Confirm your email",
    "change": "Confirm your new email",
    "reset": "Set a new password",
}
IGNORE = "If you did not ask for this, ignore it.\n"
MOVED = "Your account has another email now. If that was not you, write to the operator at once.\n"
log = get_logger()


class EmailTokenService:
    def __init__(
        self,
        store: Store,
        passwords: Passwords,
        revoker: Revoker,
        mailer: Mailer,
        throttle: SignInThrottle,
        settings: UsersSettings,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._revoker = revoker
        self._mailer = mailer
        self._throttle = throttle
        self._link = settings.mail_link
        self._verifies = settings.verify_email != "off"

    async def ask(self, purpose: Purpose, email: str, address: str) -> None:
        """For callers who are not signed in. Neither answer nor timing shows if the account exists.

        Raises TooManyAttempts, MailUnavailable, or Busy.
        """
        self._mailer.require()
        await self._throttle.spend(f"{purpose} {email}", address)
        self._mailer.later(partial(self._write, purpose, email))

    async def welcome(self, user: User) -> None:
        """Sends the verification mail after a registration, if enabled. Never fails the registration."""
        if self._verifies:
            with contextlib.suppress(MailUnavailable, Busy):
                self._mailer.later(partial(self._write, "verify", user.email))

    async def ask_change(self, me: User, password: str, email: str, address: str) -> None:
        """The email changes when the new one is confirmed.

        Raises WrongPassword, TooManyAttempts, EmailTaken, MailUnavailable, or Busy.
        """
        self._mailer.require()
        await require_password(self._passwords, self._throttle, password, me, address)
        async with self._store.transaction() as tx:
            if await tx.users.by_email(email) is not None:
                raise EmailTaken
        self._mailer.later(partial(self._write_change, me, email))

    async def _write(self, purpose: Purpose, email: str) -> Mail | None:
        async with self._store.transaction() as tx:
            found = await tx.users.by_email(email)
            user = await tx.users.lock(found.id) if found else None
            if user is None or user.email != email or (purpose == "verify" and user.email_verified):
                return None
            return await self._mail(tx, purpose, user, user.email)

    async def _write_change(self, me: User, email: str) -> Mail | None:
        async with self._store.transaction() as tx:
            user = await tx.users.lock(me.id)
            if user is None or user.password_hash != me.password_hash:  # it is another one since
                return None
            return await self._mail(tx, "change", user, email)

    async def _mail(self, tx: Transaction, purpose: Purpose, user: User, recipient: str) -> Mail | None:
        """A mail with a new token for an account whose row is locked, or None if the last one was sent less
        than a minute ago."""
        now = utc_now()
        if not user.is_active or await tx.email_tokens.is_recent(user.id, purpose, now - AGAIN, now):
            return None
        text = new_email_token()
        token = EmailToken(digest(text), user.id, purpose, recipient, now, now + LIFETIME)
        await tx.email_tokens.replace(token)
        link = self._link.format(purpose=purpose, token=text)
        subject = SUBJECTS[purpose]
        return Mail(recipient, subject, f"{subject} within an hour:\n\n{link}\n\n{IGNORE}")

    async def confirm(self, given: str) -> None:
        """Raises InvalidEmailToken or EmailTaken."""
        async with self._store.transaction() as tx:
            token, user = await self._consume(tx, given, "verify", "change")
            if token.purpose == "verify" and user.email != token.email:
                raise InvalidEmailToken  # the email was changed since
            await tx.users.update(user.id, {"email": token.email, "email_verified": True})
            changed = token.purpose == "change"
            await tx.audit.add("email_changed" if changed else "email_verified", user.id)
        if changed:
            self._tell_old_address(user.email)

    async def reset(self, given: str, password: str) -> None:
        """Ends all sessions, and a change of the email that waits for its confirmation. API keys stay valid.

        Raises InvalidEmailToken, PasswordTooCommon, Busy, or redis' errors, and then the old password stays.
        """
        async with self._store.transaction() as tx:
            token = await tx.email_tokens.by_digest(digest(given), utc_now())
            user = await tx.users.by_id(token.user_id) if token else None
        if token is None or user is None or token.purpose != "reset":
            raise InvalidEmailToken
        require_uncommon(password, user.email, user.name)
        password_hash = await self._passwords.hash(password)
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            token, user = await self._consume(tx, given, "reset")
            if user.email != token.email:
                raise InvalidEmailToken
            await tx.users.update(user.id, {"password_hash": password_hash, "email_verified": True})
            await tx.email_tokens.withdraw(user.id)
            await tx.audit.add("password_reset", user.id)
            ended = await self._revoker.end_sessions(tx, user.id)
        await self._revoker.announce(ended)
        log.info("password_reset", user_id=user.id)

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Deletes expired tokens for as long as the block runs."""
        async with repeated(self._forget, "forget_email_tokens", pause=LOOK):
            yield

    async def _forget(self) -> None:
        async with self._store.transaction() as tx:
            await tx.email_tokens.forget(utc_now())

    async def _consume(self, tx: Transaction, given: str, *purposes: Purpose) -> tuple[EmailToken, User]:
        """Also locks the account: before the token, as whoever withdraws tokens does."""
        token = await tx.email_tokens.by_digest(digest(given), utc_now())
        if token is None or token.purpose not in purposes:
            raise InvalidEmailToken
        user = require_active(await tx.users.lock(token.user_id))
        if not await tx.email_tokens.consume(token.digest):
            raise InvalidEmailToken
        return token, user

    def _tell_old_address(self, recipient: str) -> None:
        async def write() -> Mail:
            return Mail(recipient, "Your email was changed", MOVED)

        with contextlib.suppress(MailUnavailable, Busy):
            self._mailer.later(write)
