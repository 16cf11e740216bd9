"""What the gateway holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TypedDict

from gateway.api_keys import ApiKeys
from gateway.data_plane import DataPlane
from gateway.exchange import Stage
from gateway.long_lived import LongLived
from gateway.metrics import note_pools
from gateway.openapi import Documentation
from gateway.settings import GatewaySettings
from gateway.stages.authenticate import Authenticate
from gateway.stages.cors import Cors
from gateway.stages.forward import Forward
from gateway.stages.match import Match
from gateway.stages.size import check_size
from gateway.stages.websocket import WebSockets
from gateway.tables import CONTROL_TIMEOUT, Tables
from gateway.trusted_proxies import TrustedProxies
from gateway.upstream_table import UpstreamConfig
from gateway.upstreams import Upstream
from shared.gathering import GATHERING
from shared.health import Check
from shared.http import service_client
from shared.identity.remote import remote_identity


class Resources(TypedDict):
    plane: DataPlane
    documentation: Documentation
    checks: list[Check]
    reload: Callable[[], None]


@asynccontextmanager
async def resources(settings: GatewaySettings) -> AsyncIterator[Resources]:
    async with AsyncExitStack() as stack:
        identity = await stack.enter_async_context(remote_identity(settings))
        client = await stack.enter_async_context(service_client("", timeout=CONTROL_TIMEOUT))
        match = Match(settings.routes, cors=bool(settings.allowed_origins))
        tables = Tables(match, partial(_upstream, settings))
        documentation = tables.documentation = Documentation(client)
        await tables.put_in_force(settings, identity.checks)
        stack.push_async_callback(tables.close)
        stack.enter_context(GATHERING.with_flush(partial(note_pools, tables.upstreams)))
        api_keys = ApiKeys(tables.upstreams, settings.internal_secret, size=settings.key_cache_size)
        long_lived = LongLived(identity.revocations, settings.websocket_lifetime)
        stages: list[Stage] = [
            *([Cors(settings.allowed_origins)] if settings.allowed_origins else []),
            match,
            check_size,
            Authenticate(identity.verifier, identity.revocations, api_keys),
            WebSockets(
                tables.upstreams,
                long_lived,
                settings.websocket_idle,
                settings.websocket_connections,
            ),
            Forward(tables.upstreams, long_lived),
        ]
        plane = DataPlane(
            match, stages, TrustedProxies(settings.trusted_proxies), private_port=settings.metrics_port
        )
        yield {
            "plane": plane,
            "documentation": documentation,
            "checks": tables.checks,
            "reload": partial(tables.reload, settings),
        }


def _upstream(settings: GatewaySettings, config: UpstreamConfig) -> Upstream:
    return Upstream(
        config.name,
        config.replicas,
        tls=config.tls(),
        connect_timeout=config.connect_timeout or settings.connect_timeout,
        max_connections=config.connections or settings.upstream_connections,
    )
