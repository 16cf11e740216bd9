"""What the gateway holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

import httpx2

from gateway.api_keys import ApiKeys
from gateway.authenticate import Authenticator
from gateway.data_plane import DataPlane
from gateway.forward import Forwarder
from gateway.readiness import upstream_check
from gateway.settings import GatewaySettings
from gateway.upstream import UpstreamPool
from shared.cache import request_client, subscriber_client
from shared.health import Check
from shared.http import service_client
from shared.identity import RemoteKeys, Revocations, TokenVerifier

CONTROL_TIMEOUT = 2.0  # seconds, for keys, readiness and documentation: never on the way of a request


class Resources(TypedDict):
    settings: GatewaySettings
    plane: DataPlane
    client: httpx2.AsyncClient
    checks: list[Check]


@asynccontextmanager
async def resources(settings: GatewaySettings) -> AsyncIterator[Resources]:
    async with AsyncExitStack() as stack:
        redis = request_client(settings)
        stack.push_async_callback(redis.aclose)
        subscriber = subscriber_client(settings)
        stack.push_async_callback(subscriber.aclose)
        client = await stack.enter_async_context(service_client("", timeout=CONTROL_TIMEOUT))
        revocations = await stack.enter_async_context(Revocations(subscriber).listening())
        keys = RemoteKeys(settings.jwks_url, client)
        verifier = TokenVerifier(
            keys, settings.token_issuer, settings.token_audience, cache_size=settings.token_cache_size
        )
        pools = {name: _pool(settings, name, url) for name, url in settings.upstreams.items()}
        for pool in pools.values():
            stack.push_async_callback(pool.close)
        api_keys = ApiKeys(pools["users"], size=settings.key_cache_size)
        plane = DataPlane(settings.routes, Authenticator(verifier, revocations, api_keys), Forwarder(pools))
        checks = [Check("redis", redis.ping), Check("keys", keys.ping)]
        checks += [upstream_check(name, url, client) for name, url in settings.upstreams.items()]
        yield {"settings": settings, "plane": plane, "client": client, "checks": checks}


def _pool(settings: GatewaySettings, name: str, url: str) -> UpstreamPool:
    return UpstreamPool(
        name,
        url,
        connect_timeout=settings.connect_timeout,
        max_connections=settings.upstream_connections,
    )
