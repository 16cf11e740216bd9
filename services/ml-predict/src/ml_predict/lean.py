"""A route without FastAPI's solver: the endpoint gets the request, after the caller is known to be active.

What FastAPI does for a route (solve dependencies, build models of the body and of the answer) costs more than
a prediction. The signature still documents the route; identity is checked by the functions of all services.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from shared.identity.dependencies import active_caller, current_caller, oauth2

Endpoint = Callable[..., Awaitable[Response]]


class LeanRoute(APIRoute):
    """Calls `endpoint(request, caller, **path parameters)`, which answers with a Response."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Endpoint = self.endpoint

        async def handle(request: Request) -> Response:
            caller = await active_caller(request, await current_caller(request, await oauth2(request)))
            return await endpoint(request, caller, **request.path_params)

        return handle
