"""Reads that are answered from the connection, without ASGI, FastAPI's router and its dependency solver."""

import asyncio
import itertools
import sys
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Message, Scope

from shared.context import CURRENT
from shared.ordered import Answer, OrderedCycle
from shared.plan import Plan, plan_of
from shared.problems import respond
from shared.wire import Cycle, Protocol, asgi_cycle, asgi_scope

_UNUSUAL: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})


class DirectConnection(Protocol):
    """One client connection; `reads` of the application says which requests are answered here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.at_once = False

    def data_received(self, data: bytes) -> None:
        """One request of what has come may be answered at once; many would keep other clients waiting."""
        self.at_once = True
        super().data_received(data)

    def make_cycle(self) -> Cycle:
        scope = asgi_scope(self)
        reads: Reads | None = getattr(self.app, "reads", None)
        read = reads.find(scope) if reads is not None else None
        return ReadCycle(self, read) if read is not None else asgi_cycle(self, scope)


class Read:
    """A request with what its route's plan will be given."""

    def __init__(self, plan: Plan, request: Request, given: list[dict[str, Any]]) -> None:
        self.path: str = request.scope["path"]
        self.template = plan.route.path
        self._plan = plan
        self._request = request
        self._given = given

    async def answer(self) -> Answer:
        """Every error becomes an answer."""
        try:
            found = await self._plan.run(self._request, self._given)
        except Exception as error:  # noqa: BLE001 - a bug becomes a 500
            found = await respond(self._request, error)
        return await _rendered(found, self._request) if isinstance(found, Response) else found


class Reads:
    """Whatever is not a well-formed GET of a route with a plan goes on to FastAPI, which has the last word.

    So 404, 405 and 422, HEAD, forms, bodies and everything unusual stay FastAPI's. See docs/decisions/0026.
    """

    def __init__(self, app: FastAPI, routes: Iterable[BaseRoute], private_port: int) -> None:
        """On the `private_port` nothing is read directly."""
        self._app = app
        self._private_port = private_port
        # A router within a router may answer anything, so what comes after it is left to FastAPI.
        plain = itertools.takewhile(lambda route: isinstance(route, APIRoute), routes)
        reads = [
            (route, plan_of(route))
            for route in cast("Iterable[APIRoute]", plain)
            if "GET" in (route.methods or ())
        ]
        self._templates = [(route.path_regex, plan) for route, plan in reads if "{" in route.path]
        # The first route that matches is FastAPI's choice too.
        self._plain = {route.path: _first(route.path, reads) for route, _ in reads if "{" not in route.path}

    def find(self, scope: Scope) -> Read | None:
        """None if FastAPI has to answer; nothing was called then."""
        if scope["method"] != "GET" or scope["root_path"]:
            return None
        plan, path_params = self._match(scope["path"])
        if plan is None or any(name in _UNUSUAL for name, _ in scope["headers"]):
            return None
        if self._private_port and (scope["server"] or (None, None))[1] == self._private_port:
            return None
        request = Request(
            {**scope, "app": self._app, "path_params": path_params, "route": plan.route}, _no_body
        )
        given = plan.parse(request)
        return None if given is None else Read(plan, request, given)

    def _match(self, path: str) -> tuple[Plan | None, Mapping[str, Any]]:
        if path in self._plain:
            return self._plain[path], {}
        for pattern, plan in self._templates:
            if found := pattern.match(path):
                return plan, found.groupdict()
        return None, {}


class ReadCycle(OrderedCycle):
    """A request that a plan answers. One that need not wait may be answered at once."""

    def __init__(self, connection: Any, read: Read) -> None:
        super().__init__(connection, "GET", read.path, read.template)
        self._read = read

    def feed(self, data: bytes) -> None:
        """A request without a length has no body."""

    def _answer(self) -> None:
        connection = self._connection
        start = _started if connection.at_once else connection.loop.create_task
        connection.at_once = False
        task = start(self._run())
        if not task.done():
            connection.tasks.add(task)
            task.add_done_callback(connection.tasks.discard)

    async def _run(self) -> None:
        """Goes on when the caller leaves: to cancel a query costs its connection to the database."""
        CURRENT.set(self._context)
        try:
            answer = await self._read.answer()
            if self._connection.flow.write_paused:
                await self._connection.flow.drain()
            self._respond(answer)
        except BaseException:
            self._connection.transport.abort()
            raise


def _started(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """From Python 3.12 on it runs at once, until it waits for something."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.eager_task_factory(loop, coroutine)
    return loop.create_task(coroutine)


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _rendered(response: Response, request: Request) -> Answer:
    """What a response sends, its background tasks done."""
    messages: list[Message] = []

    async def collect(message: Message) -> None:
        messages.append(message)

    await response(request.scope, _no_body, collect)
    start, *parts = messages
    return start["status"], start["headers"], b"".join([part.get("body", b"") for part in parts])


def _first(path: str, reads: Iterable[tuple[APIRoute, Plan | None]]) -> Plan | None:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    return next(plan for route, plan in reads if route.matches(dict(scope))[0] is Match.FULL)
