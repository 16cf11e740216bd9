"""The one place where a service's application is put together."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

from shared.health import health_router
from shared.logging import configure_logging
from shared.metrics import MetricsMiddleware
from shared.middleware.access_log import AccessLogMiddleware
from shared.middleware.body_limit import BodyLimitMiddleware
from shared.middleware.errors import ErrorsMiddleware
from shared.middleware.request_context import RequestContextMiddleware
from shared.problems import Problem, install_problem_handlers
from shared.settings import ServiceSettings


class Lifespan(Protocol):
    """Yields the resources, which handlers find on `request.state`; `checks` must be one of them."""

    def __call__(self, app: FastAPI, /) -> AbstractAsyncContextManager[Mapping[str, Any]]: ...


def build_app(
    settings: ServiceSettings,
    *,
    title: str,
    lifespan: Lifespan,
    routers: Iterable[APIRouter] = (),
    middleware: Iterable[Middleware] = (),
    limit_body: bool = True,
) -> FastAPI:
    """An application with logging, ids, access log, metrics, problems and health.

    `middleware` stands inside all of those and outside the routes. `limit_body=False` is for a service that
    limits bodies itself.
    """
    configure_logging(settings)
    inner = [Middleware(BodyLimitMiddleware, limit=settings.body_limit)] if limit_body else []
    app = FastAPI(
        title=title,
        version=settings.version,
        lifespan=lifespan,
        docs_url="/docs" if settings.docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,  # one path has one form; a redirect would also name the private host
        responses={"default": {"model": Problem, "description": "A problem (RFC 9457)"}},
        middleware=[
            Middleware(RequestContextMiddleware),
            Middleware(MetricsMiddleware, private_port=settings.metrics_port),
            Middleware(AccessLogMiddleware),
            Middleware(ErrorsMiddleware),
            *middleware,
            *inner,
        ],
    )
    install_problem_handlers(app)
    app.include_router(health_router(settings.service, settings.version))
    for router in routers:
        app.include_router(router)
    return app
