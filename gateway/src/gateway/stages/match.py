"""Match: the row of the route table that a request belongs to."""

from gateway.exceptions import PathAmbiguous, RouteMethodNotAllowed
from gateway.exchange import Exchange
from gateway.paths import check_path
from gateway.route_table import Route, RouteTable
from gateway.wire.stream import Request
from shared.exceptions import ServiceError

PREFLIGHT = b"access-control-request-method"


class Match:
    """`find` is asked for every request, before there is an exchange: some are not the data plane's own."""

    def __init__(self, routes: RouteTable, *, cors: bool) -> None:
        self.routes = routes
        self._cors = cors

    def find(self, request: Request) -> Route | ServiceError | None:
        """The route, or why the request is refused, or None where FastAPI answers.

        That is for the gateway's own pages, paths that do not exist, and CORS preflights.
        """
        target, method = request.target, request.method.decode("ascii")
        path = target.partition(b"?")[0]
        try:
            check_path(target if b"#" in target else path)  # a fragment is never sent, and is in no path
        except PathAmbiguous as ambiguous:
            return None if self._is_preflight(request) else ambiguous
        known = path.decode("ascii")
        route = self.routes.match(method, known)
        if route is not None:
            return route
        allowed = self.routes.allowed(known)
        if not allowed or self._is_preflight(request):
            return None
        return RouteMethodNotAllowed(allowed)

    def _is_preflight(self, request: Request) -> bool:
        fields = request.fields
        return self._cors and request.method == b"OPTIONS" and b"origin" in fields and PREFLIGHT in fields

    def __call__(self, exchange: Exchange) -> None:
        """Raises what `find` returned as a refusal."""
        if exchange.refusal is not None:
            raise exchange.refusal
