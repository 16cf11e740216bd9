"""What the service needs while it runs: opens resources in order, closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from shared.database import Database
from shared.health import Check
from shared.identity import TokenVerifier
from shared.identity.revocations import Revocations
from shared.redis import request_client, subscriber_client
from users.administration import AdminService
from users.api_keys import ApiKeyService
from users.audit import AuditService
from users.email_tokens import EmailTokenService
from users.factory import Factory
from users.key_ring import KeyRing
from users.mailer import Mailer, transport
from users.passwords import Passwords
from users.service import AccountService
from users.sessions import SessionService
from users.settings import UsersSettings
from users.sign_in import SignInService


class Resources(TypedDict):
    settings: UsersSettings
    checks: list[Check]
    verifier: TokenVerifier
    revocations: Revocations
    ring: KeyRing
    accounts: AccountService
    administration: AdminService
    sessions: SessionService
    sign_in: SignInService
    api_keys: ApiKeyService
    email_tokens: EmailTokenService
    audit: AuditService


@asynccontextmanager
async def resources(settings: UsersSettings) -> AsyncIterator[Resources]:
    """The listener is opened last, so that it stops before the connections it uses."""
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        factory = Factory(settings, database, await stack.enter_async_context(request_client(settings)))
        await stack.enter_async_context(factory.key_rotation().followed())
        await stack.enter_async_context(factory.restorer().running())
        audit = factory.audit()
        await stack.enter_async_context(audit.forgetting())
        passwords = Passwords(settings.hash_thread_count, settings.hash_queue, settings.hash_wait)
        stack.callback(passwords.close)
        mailer = await stack.enter_async_context(Mailer(transport(settings)).sending())
        email_tokens = factory.email_tokens(passwords, mailer)
        await stack.enter_async_context(email_tokens.forgetting())
        subscriber = await stack.enter_async_context(subscriber_client(settings))
        revocations = await stack.enter_async_context(Revocations(subscriber).listening())
        yield Resources(
            settings=settings,
            checks=[Check("postgres", database.ping), Check("keys", factory.ring.ping), revocations.check],
            verifier=_verifier(settings, factory.ring),
            revocations=revocations,
            ring=factory.ring,
            accounts=factory.accounts(passwords),
            administration=factory.administration(),
            sessions=factory.sessions(),
            sign_in=factory.sign_in(passwords),
            api_keys=factory.api_keys(),
            email_tokens=email_tokens,
            audit=audit,
        )


def _verifier(settings: UsersSettings, ring: KeyRing) -> TokenVerifier:
    return TokenVerifier(
        ring,
        settings.token_issuer,
        settings.token_audience,
        cache_size=settings.token_cache_size,
        longest=settings.token_longest_seconds,
    )
