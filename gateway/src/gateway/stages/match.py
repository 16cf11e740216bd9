"""Match: the row of the route table that a request belongs to."""

from typing import cast

from gateway.exceptions import PathAmbiguous, RouteMethodNotAllowed
from gateway.exchange import Exchange
from gateway.paths import check_path
from gateway.route_table import Route, RouteTable
from gateway.wire.request import Request
from shared.exceptions import ServiceError

FRAGMENT = ord("#")
PREFLIGHT = b"access-control-request-method"
MOST_FOUND = 1024  # paths that a worker remembers, of 2 KiB at most


class Match:
    """`find` is asked for every request, before there is an exchange: some are not the data plane's own.

    Routes found lately are remembered by method and path, and with a request line that is remembered itself:
    half of the look-up is the check of the path.
    """

    def __init__(self, routes: RouteTable, *, cors: bool) -> None:
        self._routes = routes
        self._cors = cors
        self._found: dict[tuple[bytes, bytes], Route] = {}

    @property
    def routes(self) -> RouteTable:
        return self._routes

    @routes.setter
    def routes(self, routes: RouteTable) -> None:
        self._routes = routes
        self._found = {}

    def find(self, request: Request) -> Route | ServiceError | None:
        """The route, or why the request is refused, or None where FastAPI answers.

        That is for the gateway's own pages, paths that do not exist, and CORS preflights.
        """
        line = request.line
        if line is not None and line.found[1] is self._routes:
            return cast("Route", line.found[0])
        target = request.target
        if FRAGMENT in target:  # a fragment is never sent, and is in no path
            return self._refuse(request, PathAmbiguous("A target has no fragment."))
        place = request.method, target.partition(b"?")[0]
        found = self._found.get(place) or self._look_up(request, *place)
        if line is not None and isinstance(found, Route):
            line.found = found, self._routes
        return found

    def _look_up(self, request: Request, method: bytes, path: bytes) -> Route | ServiceError | None:
        try:
            check_path(path)
        except PathAmbiguous as ambiguous:
            return self._refuse(request, ambiguous)
        known = path.decode("ascii")
        route = self._routes.match(method.decode("ascii"), known)
        if route is not None:
            if len(self._found) == MOST_FOUND:
                self._found = {}
            self._found[method, path] = route
            return route
        allowed = self._routes.allowed(known)
        return self._refuse(request, RouteMethodNotAllowed(allowed)) if allowed else None

    def _refuse(self, request: Request, why: ServiceError) -> ServiceError | None:
        return None if self._is_preflight(request) else why

    def _is_preflight(self, request: Request) -> bool:
        fields = request.fields
        return self._cors and request.method == b"OPTIONS" and b"origin" in fields and PREFLIGHT in fields

    def __call__(self, exchange: Exchange) -> None:
        """Raises what `find` returned as a refusal."""
        if exchange.refusal is not None:
            raise exchange.refusal
