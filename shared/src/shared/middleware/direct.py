"""Answers reads without FastAPI's router and dependency solver."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, cast

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.plan import Plan, plan_of


class DirectMiddleware:
    """Whatever is not a well-formed GET of a route with a plan goes on to FastAPI, which has the last word.

    So 404, 405 and 422, forms, bodies and everything unusual stay FastAPI's. See docs/decisions/0026.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        # A router within a router may answer anything, so what comes after it is left to FastAPI.
        plain = itertools.takewhile(lambda route: isinstance(route, APIRoute), routes)
        reads = [
            (route, plan_of(route))
            for route in cast("Iterable[APIRoute]", plain)
            if "GET" in (route.methods or ())
        ]
        self._templates = [(route, plan) for route, plan in reads if "{" in route.path]
        # The first route that matches is FastAPI's choice too.
        self._plain = {route.path: _first(route.path, reads) for route, _ in reads if "{" not in route.path}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["root_path"]:
            plan, path_params = self._find(scope["path"])
            if plan is not None and await _answered(plan, path_params, scope, receive, send):
                return
        await self._app(scope, receive, send)

    def _find(self, path: str) -> tuple[Plan | None, Mapping[str, Any]]:
        if path in self._plain:
            return self._plain[path], {}
        for route, plan in self._templates:
            if found := route.path_regex.match(path):
                return plan, found.groupdict()
        return None, {}


async def _answered(
    plan: Plan, path_params: Mapping[str, Any], scope: Scope, receive: Receive, send: Send
) -> bool:
    """False if FastAPI has to say what is wrong with the request; nothing was called then."""
    scope["path_params"] = path_params
    request = Request(scope, receive, send)
    given = plan.parse(request)
    if given is None:
        del scope["path_params"]
        return False
    scope["route"] = plan.route
    answer = await plan.run(request, given)
    if isinstance(answer, Response):
        await answer(scope, receive, send)
        return True
    status, headers, body = answer
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    return True


def _first(path: str, reads: Iterable[tuple[APIRoute, Plan | None]]) -> Plan | None:
    scope = {"type": "http", "method": "GET", "path": path, "root_path": ""}
    return next(plan for route, plan in reads if route.matches(dict(scope))[0] is Match.FULL)
