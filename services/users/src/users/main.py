"""The users service: accounts, sessions, API keys, and the only signing key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shared.app import build_app
from shared.settings import load_settings
from users import routes
from users.resources import Resources, resources
from users.settings import UsersSettings


def create_app(settings: UsersSettings | None = None) -> FastAPI:
    settings = settings or load_settings(UsersSettings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Resources]:
        async with resources(settings) as opened:
            yield opened

    return build_app(
        settings,
        title="Facet users",
        lifespan=lifespan,
        routers=[routes.auth, routes.keys, routes.users, routes.internal],
    )
