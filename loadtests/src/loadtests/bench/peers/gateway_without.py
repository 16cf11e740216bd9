"""Our gateway with one feature switched off (`BENCH_WITHOUT`), run by our interpreter: what does it cost?"""

import os
from collections.abc import Callable
from typing import Any

import gateway.lifespan
import gateway.recorded
from gateway.main import create_app as create_whole
from gateway.stages.authenticate import Authenticate
from gateway.wire.connection import Connection
from gateway.wire.known import KnownHeads
from shared.context import RequestContext
from shared.identity import TokenVerifier
from shared.identity.revocations import Revocations


class NoTraffic:
    def __init__(self, route: str) -> None:
        self.route = route

    def end(self, *_: Any) -> None: ...


def nothing(*_: Any) -> None:
    return None


def without_metrics() -> None:
    gateway.recorded.begin_request = gateway.recorded.end_request = nothing
    gateway.recorded.begin_traffic = lambda route: NoTraffic(route.template)


def without_ids() -> None:
    always = RequestContext.start()
    RequestContext.start = classmethod(lambda *_: always)


def without_cors() -> None:
    gateway.lifespan.Cors = lambda _: nothing


def without_token_memory() -> None:
    async def verify(self: TokenVerifier, token: str) -> Any:
        return (await self._verify(token)).caller

    TokenVerifier.known, TokenVerifier.verify = nothing, verify


SWITCHES: dict[str, Callable[[], Any]] = {
    "nothing": nothing,
    "access-log": lambda: setattr(gateway.recorded, "log_request", nothing),
    "metrics": without_metrics,
    "ids": without_ids,
    "cors": without_cors,
    "size": lambda: setattr(gateway.lifespan, "check_size", nothing),
    "authenticate": lambda: setattr(Authenticate, "__call__", nothing),
    "revocations": lambda: setattr(Revocations, "__contains__", lambda *_: False),
    "token-memory": without_token_memory,
    "known-heads": lambda: setattr(KnownHeads, "recognise", nothing),
    "stale-check": lambda: setattr(Connection, "is_stale", lambda self: self.closed),
}


def create_app(settings: Any) -> Any:
    SWITCHES[os.environ["BENCH_WITHOUT"]]()
    return create_whole(settings)
