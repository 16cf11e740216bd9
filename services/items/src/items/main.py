"""The listings' application."""

from fastapi import FastAPI

from items.lifespan import resources
from items.routes import ROUTERS
from items.settings import ItemsSettings
from shared.app import build_app
from shared.settings import load_settings


def create_app(settings: ItemsSettings | None = None) -> FastAPI:
    """Listings of gems, and what their diamonds are worth."""
    chosen = settings or load_settings(ItemsSettings)
    return build_app(
        chosen,
        title="Facet: listings",
        lifespan=lambda _: resources(chosen),
        routers=ROUTERS,
        streamed=("/items/imports/",),
    )
