"""The way of a request through the gateway: match, authenticate, forward."""

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.authenticate import Authenticator
from gateway.exceptions import RouteMethodNotAllowed
from gateway.forward import Forwarder
from gateway.paths import check_path
from gateway.route_table import RouteTable
from shared.metrics import ROUTE_KEY


class DataPlane:
    """What all requests share, made in the lifespan."""

    def __init__(self, routes: RouteTable, authenticator: Authenticator, forwarder: Forwarder) -> None:
        self.routes = routes
        self.authenticator = authenticator
        self.forwarder = forwarder


class DataPlaneMiddleware:
    """Serves what the route table names; the rest is the gateway's own (health, documentation) or unknown.

    A plain ASGI layer: FastAPI's routing and dependencies would cost more than all the stages together.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        check_path(scope["raw_path"])
        plane: DataPlane = scope["state"]["plane"]
        route = plane.routes.match(scope["method"], scope["path"])
        if route is None:
            if allowed := plane.routes.allowed(scope["path"]):
                scope[ROUTE_KEY] = "method_not_allowed"
                raise RouteMethodNotAllowed(allowed)
            await self._app(scope, receive, send)
            return
        scope[ROUTE_KEY] = route.template
        authorization = await plane.authenticator.authorization(route, scope["headers"])
        await plane.forwarder.forward(route, authorization, scope, receive, send)
