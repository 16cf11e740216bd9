"""The gateway's application."""

from fastapi import FastAPI

from gateway import swagger
from gateway.lifespan import resources
from gateway.routes import router
from gateway.settings import GatewaySettings
from gateway.stages.cors import cors_middleware
from shared.app import build_app
from shared.settings import load_settings

DESCRIPTION = (
    "A gemstone marketplace. Anybody may browse listings. For what has a lock, register with `POST /users`, "
    "then press Authorize and give your email as the username; or give an API key."
)


def create_app(settings: GatewaySettings | None = None) -> FastAPI:
    """The public door. Routes that it does not serve itself are in `routes.toml`."""
    chosen = settings or load_settings(GatewaySettings)
    app = build_app(
        chosen,
        title="Facet",
        description=DESCRIPTION,
        lifespan=lambda _: resources(chosen),
        routers=[router] if chosen.docs else [],
        outer=cors_middleware(chosen.allowed_origins),
        limit_body=False,
        own_docs=False,
    )
    if chosen.docs:
        app.mount(swagger.ASSETS, swagger.assets())
    return app
