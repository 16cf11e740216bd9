"""CORS: exact origins, credentials allowed, and the headers that a page needs to read."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.exchange import Exchange

EXPOSED = [
    *("X-Total-Count", "X-Total-Count-Accuracy", "Link", "ETag", "X-Request-ID", "Location", "Retry-After")
]
METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]
ALLOWED = [
    *("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-API-Key"),
    *("X-Request-ID", "traceparent"),
]
_PERMISSIONS = [
    b"access-control-allow-credentials: true",
    b"access-control-expose-headers: " + ", ".join(EXPOSED).encode(),
]


class Cors:
    """Lets pages of the configured origins read each answer. It comes first, for errors are answers too."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def __call__(self, exchange: Exchange) -> None:
        origin = exchange.fields.get(b"origin")
        exchange.answer_fields.append(b"vary: Origin")  # else a shared cache would mix up the origins
        if origin in self._origins:
            exchange.answer_fields.append(b"access-control-allow-origin: " + origin)
            exchange.answer_fields += _PERMISSIONS


def cors_middleware(origins: tuple[str, ...]) -> list[Middleware]:
    """The same for what FastAPI answers: preflights, and the gateway's own pages.

    No origin: no CORS at all, so that browsers refuse every other site.
    """
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_credentials=True,
            allow_methods=METHODS,
            allow_headers=ALLOWED,
            expose_headers=EXPOSED,
            max_age=600,
        )
    ]
