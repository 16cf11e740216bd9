"""A route without FastAPI's solver: the endpoint gets the request, after the caller is known to be active.

What FastAPI does for a route (solve dependencies, build models of the body and of the answer) costs more than
a prediction. The signature still documents the route; identity is checked by the functions of all services.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from shared.identity.dependencies import active_caller, current_caller, oauth2

Endpoint = Callable[..., Awaitable[Response]]


class LeanRoute(APIRoute):
    """Calls `endpoint(request, caller, **path parameters)`, which answers with a Response."""

    @property
    def predicts(self) -> bool:
        """True if a call of a model stands behind it."""
        return self.path.startswith("/predict") or self.path.endswith("/infer")

    async def answer(self, request: Request, parameters: Mapping[str, Any]) -> Response:
        caller = await active_caller(request, await current_caller(request, await oauth2(request)))
        endpoint: Endpoint = self.endpoint
        return await endpoint(request, caller, **parameters)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            return await self.answer(request, request.path_params)

        return handle
