"""The listings' application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from items.lifespan import Resources, resources
from items.routes import router
from items.settings import ItemsSettings
from shared.app import build_app
from shared.settings import load_settings


def create_app(settings: ItemsSettings | None = None) -> FastAPI:
    """Listings of gems, and what their diamonds are worth."""
    chosen = settings or load_settings(ItemsSettings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Resources]:
        async with resources(chosen) as made:
            yield made

    return build_app(chosen, title="Facet: listings", lifespan=lifespan, routers=[router])
