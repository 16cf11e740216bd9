"""Sends mail in the background: to the console in development, by SMTP otherwise."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Protocol

from shared.logging import get_logger
from users.exceptions import Busy, MailUnavailable
from users.settings import UsersSettings

WAITING = 1000  # messages
ATTEMPTS = 3
PAUSE = 1.0  # seconds between two attempts
TIMEOUT = 10.0  # seconds for each step of SMTP
PERMANENT = 500  # from this code of SMTP on
log = get_logger()


@dataclass(frozen=True, slots=True)
class Mail:
    recipient: str
    subject: str
    text: str = field(repr=False)


Write = Callable[[], Awaitable[Mail | None]]  # returns the mail to send, if any


class Transport(Protocol):
    def send(self, mail: Mail) -> None:
        """Blocks. Raises OSError or SMTPException."""
        ...


class ConsoleTransport:
    def send(self, mail: Mail) -> None:
        print(f"\n--- mail to {mail.recipient}: {mail.subject}\n{mail.text}\n---", flush=True)  # noqa: T201 - its job


class SmtpTransport:
    """One connection for each message: there are few."""

    def __init__(self, settings: UsersSettings) -> None:
        self._settings = settings

    def send(self, mail: Mail) -> None:
        given = self._settings
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = given.mail_from, mail.recipient, mail.subject
        message.set_content(mail.text)
        with smtplib.SMTP(given.mail_host, given.mail_port, timeout=TIMEOUT) as server:
            if given.mail_starttls:
                server.starttls()
            if given.mail_password is not None:
                server.login(given.mail_username, given.mail_password.get_secret_value())
            server.send_message(message)


class Mailer:
    """A bounded queue and one sending thread. Mail still queued when the process stops is lost."""

    def __init__(self, transport: Transport | None) -> None:
        self._transport = transport
        self._waiting: asyncio.Queue[Write] = asyncio.Queue(WAITING)

    def require(self) -> None:
        """Raises MailUnavailable where no mail can be sent at all."""
        if self._transport is None:
            raise MailUnavailable

    def later(self, write: Write) -> None:
        """Returns at once, so that timing does not show whether there was anything to send.

        Raises MailUnavailable, or Busy.
        """
        self.require()
        try:
            self._waiting.put_nowait(write)
        except asyncio.QueueFull:
            raise Busy from None

    @contextlib.asynccontextmanager
    async def sending(self) -> AsyncIterator["Mailer"]:
        """Sends queued mail for as long as the block runs."""
        with ThreadPoolExecutor(1, thread_name_prefix="mail") as executor:
            task = asyncio.create_task(self._drain(executor), name="mailer")
            try:
                yield self
            finally:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _drain(self, executor: ThreadPoolExecutor) -> None:
        while True:
            write = await self._waiting.get()
            try:
                mail = await write()
            except Exception as error:  # noqa: BLE001 - one message must not end the mailer
                log.warning("mail_not_written", reason=repr(error))
                continue
            if mail is not None:
                await self._send(mail, executor)

    async def _send(self, mail: Mail, executor: ThreadPoolExecutor) -> None:
        if self._transport is None:
            return
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await asyncio.get_running_loop().run_in_executor(executor, self._transport.send, mail)
            except Exception as error:  # noqa: BLE001 - the same
                reason = type(error).__name__
                log.warning("mail_not_sent", subject=mail.subject, attempt=attempt, reason=reason)
                if _is_final(error):
                    return
                await asyncio.sleep(PAUSE)
            else:
                log.info("mail_sent", subject=mail.subject)
                return


def _is_final(error: Exception) -> bool:
    """True if the server will say the same again: others must not wait for that."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code >= PERMANENT
    return isinstance(error, (smtplib.SMTPNotSupportedError, ValueError))


def transport(settings: UsersSettings) -> Transport | None:
    match settings.mail_transport:
        case "console":
            return ConsoleTransport()
        case "smtp":
            return SmtpTransport(settings)
    return None
