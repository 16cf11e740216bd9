"""The accounts' application."""

from fastapi import FastAPI

from shared.app import build_app
from shared.settings import load_settings
from users.lifespan import resources
from users.routes import ROUTERS
from users.settings import UsersSettings


def create_app(settings: UsersSettings | None = None) -> FastAPI:
    """Accounts, sessions, API keys, and the only signing key."""
    chosen = settings or load_settings(UsersSettings)
    return build_app(
        chosen,
        title="Facet: accounts",
        lifespan=lambda _: resources(chosen),
        routers=ROUTERS,
    )
