"""What the service needs while it runs, born and buried in order."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from redis.asyncio import Redis

from shared.cache import request_client, subscriber_client
from shared.database import Database
from shared.health import Check
from shared.identity import Revocations, TokenVerifier
from users.administration import AdminService
from users.api_keys import ApiKeyService
from users.key_ring import KeyRing
from users.key_rotation import KeyRotation
from users.passwords import Passwords
from users.repository import Store
from users.restorer import Restorer
from users.revoker import Revoker
from users.service import AccountService
from users.sessions import SessionService
from users.settings import UsersSettings
from users.tokens import TokenSigner


class Resources(TypedDict):
    settings: UsersSettings
    checks: list[Check]
    verifier: TokenVerifier
    revocations: Revocations
    ring: KeyRing
    accounts: AccountService
    administration: AdminService
    sessions: SessionService
    api_keys: ApiKeyService


@asynccontextmanager
async def resources(settings: UsersSettings) -> AsyncIterator[Resources]:
    """Connections first, the listener last: it stops first, while what it reads from still stands."""
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        redis = await stack.enter_async_context(request_client(settings))
        ring = KeyRing(settings)
        await stack.enter_async_context(KeyRotation(Store(database), ring, settings).followed())
        await stack.enter_async_context(Restorer(Store(database), redis).running())
        passwords = Passwords(settings.hash_thread_count, settings.hash_queue, settings.hash_wait)
        stack.callback(passwords.close)
        subscriber = await stack.enter_async_context(subscriber_client(settings))
        revocations = await stack.enter_async_context(Revocations(subscriber).listening())
        yield _rules(settings, database, redis, passwords, revocations, ring)


def _rules(
    settings: UsersSettings,
    database: Database,
    redis: Redis,
    passwords: Passwords,
    revocations: Revocations,
    ring: KeyRing,
) -> Resources:
    store, signer, revoker = Store(database), TokenSigner(settings, ring), make_revoker(redis, settings)
    return Resources(
        settings=settings,
        checks=[Check("postgres", database.ping), Check("keys", ring.ping), revocations.check],
        verifier=TokenVerifier(
            ring,
            settings.token_issuer,
            settings.token_audience,
            cache_size=settings.token_cache_size,
            longest=settings.token_longest_seconds,
        ),
        revocations=revocations,
        ring=ring,
        accounts=AccountService(store, passwords, revoker),
        administration=AdminService(store, revoker),
        sessions=SessionService(store, passwords, signer, revoker, settings),
        api_keys=ApiKeyService(store, signer, revoker, settings),
    )


def make_revoker(redis: Redis, settings: UsersSettings) -> Revoker:
    return Revoker(redis, max(settings.access_token_seconds, settings.key_token_seconds))
