"""What a service needs to identify its callers when another service signs the tokens."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from shared.health import Check
from shared.http import service_client
from shared.identity.keys import RemoteKeys
from shared.identity.revocations import Revocations
from shared.identity.tokens import TokenVerifier
from shared.redis import subscriber_client
from shared.settings import RemoteIdentitySettings

KEYS_TIMEOUT = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class RemoteIdentity:
    """`verifier` and `revocations` are for the lifespan; `checks` report whether tokens can be verified."""

    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def remote_identity(settings: RemoteIdentitySettings) -> AsyncIterator[RemoteIdentity]:
    """Connected for as long as the block runs; neither Redis nor the keys need to be there at its start."""
    async with AsyncExitStack() as stack:
        subscriber = await stack.enter_async_context(subscriber_client(settings))
        client = await stack.enter_async_context(service_client("", timeout=KEYS_TIMEOUT))
        revocations = await stack.enter_async_context(Revocations(subscriber).listening())
        keys = await stack.enter_async_context(RemoteKeys(settings.jwks_url, client).renewing())
        verifier = TokenVerifier(
            keys,
            settings.token_issuer,
            settings.token_audience,
            cache_size=settings.token_cache_size,
            longest=settings.token_longest_seconds,
        )
        yield RemoteIdentity(verifier, revocations, [revocations.check, Check("keys", keys.ping)])
