"""The one place where a service's application is put together."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware

import shared.validation  # noqa: F401 - it registers a handler of FastAPI's errors
from shared.access_log import GATHERED, gathers
from shared.direct import Reads
from shared.health_routes import health_router
from shared.logging import configure_logging
from shared.middleware.access_log import AccessLogMiddleware
from shared.middleware.body_limit import BodyLimitMiddleware
from shared.middleware.errors import ErrorsMiddleware
from shared.middleware.head import HeadMiddleware
from shared.middleware.metrics import MetricsMiddleware
from shared.middleware.request_context import RequestContextMiddleware
from shared.middleware.start_failure import StartFailureMiddleware
from shared.openapi import DocumentedApp
from shared.problems import Problem, install_problem_handlers
from shared.settings import ServiceSettings


class Lifespan(Protocol):
    """Yields the resources, which handlers find on `request.state`; `checks` must be one of them."""

    def __call__(self, app: FastAPI, /) -> AbstractAsyncContextManager[Mapping[str, Any]]: ...


class Application(DocumentedApp):
    """`reads` go past it (see `shared.direct`), unless there is middleware that must see them too."""

    reads: Reads | None = None

    def add_middleware(self, *args: Any, **kwargs: Any) -> None:
        self.reads = None
        super().add_middleware(*args, **kwargs)


def build_app(
    settings: ServiceSettings,
    *,
    title: str,
    description: str = "",
    lifespan: Lifespan,
    routers: Iterable[APIRouter] = (),
    outer: Sequence[Middleware] = (),
    inner: Sequence[Middleware] = (),
    limit_body: bool = True,
    streamed: tuple[str, ...] = (),
    own_docs: bool = True,
) -> FastAPI:
    """An application with logging, ids, access log, metrics, problems and health.

    `outer` middleware also sees what the errors became, `inner` may raise them. `limit_body=False` is for a
    service that limits bodies itself, `streamed` are beginnings of paths whose bodies may be of any length,
    `own_docs=False` is for one that documents more than its own routes.
    """
    configure_logging(settings)
    GATHERED.configure(settings.service if gathers(settings) else None)
    body_limit = (
        [Middleware(BodyLimitMiddleware, limit=settings.body_limit, streamed=streamed)] if limit_body else []
    )
    docs = settings.docs and own_docs
    all_routers = [health_router(settings.service, settings.version), *routers]
    app = Application(
        title=title,
        description=description,
        version=settings.version,
        lifespan=lifespan,
        docs_url="/docs" if docs else None,
        redoc_url=None,
        openapi_url="/openapi.json" if docs else None,
        redirect_slashes=False,  # one path has one form; a redirect would also name the private host
        responses={"default": {"model": Problem, "description": "A problem (RFC 9457)"}},
        middleware=[
            Middleware(RequestContextMiddleware),
            Middleware(MetricsMiddleware, private_port=settings.metrics_port),
            Middleware(AccessLogMiddleware),
            *outer,
            Middleware(ErrorsMiddleware),
            Middleware(StartFailureMiddleware),
            *inner,
            *body_limit,
            Middleware(HeadMiddleware),
        ],
    )
    if not (outer or inner):
        app.reads = Reads(app, [route for one in all_routers for route in one.routes], settings.metrics_port)
    install_problem_handlers(app)
    for router in all_routers:
        app.include_router(router)
    return app
