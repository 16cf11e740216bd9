"""What `routes.toml` decides, as it is in force: the routes, the upstreams, and what is told of them."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from gateway.openapi import Documentation
from gateway.readiness import upstream_checks
from gateway.settings import GatewaySettings
from gateway.stages.match import Match
from gateway.upstream_table import UpstreamConfig
from gateway.upstreams import Upstream
from shared.health import Check
from shared.http import service_client
from shared.logging import get_logger

CONTROL_TIMEOUT = 2.0  # seconds, for readiness and documentation: never on the way of a request
log = get_logger()


class Tables:
    """Replaced as a whole. Exchanges under way keep the route and the upstream that they began with.

    `upstreams` and `checks` are changed in place, so whoever holds them sees what is in force. An upstream
    whose declaration is the same stays as it is, with its connections.
    """

    def __init__(self, match: Match, make: Callable[[UpstreamConfig], Upstream]) -> None:
        self.match = match
        self.upstreams: dict[str, Upstream] = {}
        self.checks: list[Check] = []
        self.documentation: Documentation | None = None
        self._make = make
        self._own_checks: list[Check] = []
        self._declared: dict[str, tuple[UpstreamConfig, bytes]] = {}
        self._retired: list[Upstream] = []
        self._clients = AsyncExitStack()
        self._changing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def put_in_force(self, settings: GatewaySettings, own_checks: Sequence[Check] = ()) -> None:
        """Raises OSError, with all as it was, when a file that the table names cannot be read any more."""
        async with self._changing:
            configs = settings.upstream_configs
            declared = {name: (config, config.certificates()) for name, config in configs.items()}
            changed = {name for name, what in declared.items() if self._declared.get(name) != what}
            made = {name: self._make(configs[name]) for name in changed}
            if changed or declared.keys() != self._declared.keys():
                await self._replace_checks(configs, [*(own_checks or self._own_checks)])
            gone = [
                self.upstreams[name] for name in self._declared if name in changed or name not in declared
            ]
            self.upstreams.update(made)  # one that is declared no more stays for requests under way
            self._declared = declared
            self.match.routes = settings.routes
            urls = {name: config.replicas[0] for name, config in configs.items()}
            if self.documentation is not None:
                self.documentation.describe(urls, settings.routes)
            for upstream in gone:
                upstream.retire()
            self._retired = [old for old in [*self._retired, *gone] if old.stats.open]

    async def _replace_checks(self, configs: dict[str, UpstreamConfig], own: list[Check]) -> None:
        """Each upstream has a client of its own, because each may have certificates of its own."""
        async with AsyncExitStack() as stack:
            checks: list[Check] = []
            for config in configs.values():
                client = service_client("", timeout=CONTROL_TIMEOUT, tls=config.tls())
                checks += upstream_checks(config, await stack.enter_async_context(client))
            before, self._clients = self._clients, stack.pop_all()
        self._own_checks = own
        self.checks[:] = [*own, *checks]
        await before.aclose()

    def reload(self, settings: GatewaySettings) -> None:
        """On SIGHUP: the files anew, and one line that says what came of it."""
        self._task = asyncio.create_task(self._reload(settings))

    async def _reload(self, settings: GatewaySettings) -> None:
        try:
            fresh = settings.reread()
            await self.put_in_force(fresh)
        except (ValueError, OSError) as error:
            log.error("reload_refused", reason=_reason(error))  # noqa: TRY400 - the reason is the whole story
        else:
            log.info("reloaded", routes=len(fresh.routes.routes), upstreams=len(self._declared))

    async def close(self) -> None:
        if self._task is not None:
            await self._task
        await asyncio.gather(*(it.close() for it in {*self.upstreams.values(), *self._retired}))
        await self._clients.aclose()


def _reason(error: Exception) -> str:
    """pydantic's errors have a line for each mistake, and one with a link: the first reason is enough."""
    mistakes = getattr(error, "errors", None)
    return str(mistakes()[0]["msg"]).removeprefix("Value error, ") if mistakes else str(error)
