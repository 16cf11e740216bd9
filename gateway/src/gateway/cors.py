"""CORS at the door: exact origins, credentials allowed, and the headers that a page needs to read."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

EXPOSED = ["X-Total-Count", "X-Request-ID", "Location", "Retry-After"]
METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]
ALLOWED = ["Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "traceparent"]


def cors_middleware(origins: tuple[str, ...]) -> list[Middleware]:
    """No origin: no CORS at all, so that browsers refuse every other site."""
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
