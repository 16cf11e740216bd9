"""What the gateway holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from gateway.api_keys import ApiKeys
from gateway.data_plane import DataPlane
from gateway.exchange import Stage
from gateway.openapi import Documentation
from gateway.readiness import upstream_checks
from gateway.settings import GatewaySettings
from gateway.stages.authenticate import Authenticate
from gateway.stages.cors import Cors
from gateway.stages.forward import Forward
from gateway.stages.match import Match
from gateway.stages.size import check_size
from gateway.trusted_proxies import TrustedProxies
from gateway.upstream_table import UpstreamConfig
from gateway.upstreams import Upstream
from shared.health import Check
from shared.http import service_client
from shared.identity.remote import remote_identity

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
        configs = settings.upstream_configs
        upstreams = {name: _upstream(settings, config) for name, config in configs.items()}
        for upstream in upstreams.values():
            stack.push_async_callback(upstream.close)
        api_keys = ApiKeys(upstreams["users"], settings.internal_secret, size=settings.key_cache_size)
        match = Match(settings.routes, cors=bool(settings.allowed_origins))
        stages: list[Stage] = [
            *([Cors(settings.allowed_origins)] if settings.allowed_origins else []),
            match,
            check_size,
            Authenticate(identity.verifier, identity.revocations, api_keys),
            Forward(upstreams),
        ]
        plane = DataPlane(
            match, stages, TrustedProxies(settings.trusted_proxies), private_port=settings.metrics_port
        )
        checks = [*identity.checks]
        for config in configs.values():
            control = service_client("", timeout=CONTROL_TIMEOUT, tls=config.tls())
            checks += upstream_checks(config, await stack.enter_async_context(control))
        documentation = Documentation(
            {name: config.replicas[0] for name, config in configs.items()}, settings.routes, client
        )
        yield {"plane": plane, "documentation": documentation, "checks": checks}


def _upstream(settings: GatewaySettings, config: UpstreamConfig) -> Upstream:
    return Upstream(
        config.name,
        config.replicas,
        tls=config.tls(),
        connect_timeout=config.connect_timeout or settings.connect_timeout,
        max_connections=config.connections or settings.upstream_connections,
    )
