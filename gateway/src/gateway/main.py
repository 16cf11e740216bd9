"""The gateway's application."""

from fastapi import FastAPI
from starlette.middleware import Middleware

from gateway import swagger
from gateway.cors import cors_middleware
from gateway.data_plane import DataPlaneMiddleware
from gateway.lifespan import resources
from gateway.routes import router
from gateway.settings import GatewaySettings
from shared.app import build_app
from shared.settings import load_settings


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    """The public door. Routes that it does not serve itself are in `routes.toml`."""
    chosen = settings or load_settings(GatewaySettings)
    app = build_app(
        chosen,
        title="Facet",
        lifespan=lambda _: resources(chosen),
        routers=[router] if chosen.docs else [],
        outer=cors_middleware(chosen.allowed_origins),
        inner=[Middleware(DataPlaneMiddleware)],
        limit_body=False,
        own_docs=False,
    )
    if chosen.docs:
        app.mount(swagger.ASSETS, swagger.assets())
    return app
