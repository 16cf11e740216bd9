"""The users service: accounts, sessions, API keys, and the only signing key."""

from fastapi import FastAPI

from shared.app import build_app
from shared.settings import load_settings
from users import routes
from users.lifespan import resources
from users.settings import UsersSettings


def create_app(settings: UsersSettings | None = None) -> FastAPI:
    chosen = settings or load_settings(UsersSettings)
    return build_app(
        chosen,
        title="Facet users",
        lifespan=lambda _: resources(chosen),
        routers=routes.ROUTERS,
    )
