"""What the gateway holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from gateway.api_keys import ApiKeys
from gateway.authenticate import Authenticator
from gateway.data_plane import DataPlane
from gateway.forward import Forwarder
from gateway.openapi import Documentation
from gateway.readiness import upstream_check
from gateway.settings import GatewaySettings
from gateway.upstream import UpstreamPool
from shared.health import Check
from shared.http import service_client
from shared.identity import remote_identity

CONTROL_TIMEOUT = 2.0  # seconds, for readiness and documentation: never on the way of a request


class Resources(TypedDict):
    plane: DataPlane
    documentation: Documentation
    checks: list[Check]


@asynccontextmanager
async def resources(settings: GatewaySettings) -> AsyncIterator[Resources]:
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(remote_identity(settings))
        client = await stack.enter_async_context(service_client("", timeout=CONTROL_TIMEOUT))
        pools = {name: _pool(settings, name, url) for name, url in settings.upstreams.items()}
        for pool in pools.values():
            stack.push_async_callback(pool.close)
        api_keys = ApiKeys(pools["users"], settings.internal_secret, size=settings.key_cache_size)
        authenticator = Authenticator(identity.verifier, identity.revocations, api_keys)
        plane = DataPlane(settings.routes, authenticator, Forwarder(pools))
        checks = [*identity.checks]
        checks += [upstream_check(name, url, client) for name, url in settings.upstreams.items()]
        documentation = Documentation(settings.upstreams, settings.routes, client)
        yield {"plane": plane, "documentation": documentation, "checks": checks}


def _pool(settings: GatewaySettings, name: str, url: str) -> UpstreamPool:
    return UpstreamPool(
        name,
        url,
        connect_timeout=settings.connect_timeout,
        max_connections=settings.upstream_connections,
    )
