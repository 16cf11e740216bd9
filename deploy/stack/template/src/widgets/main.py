"""The widgets service."""

from fastapi import FastAPI

from shared.app import build_app
from shared.settings import load_settings
from widgets.lifespan import resources
from widgets.routes import router
from widgets.settings import WidgetsSettings


def create_app(settings: WidgetsSettings | None = None) -> FastAPI:
    chosen = settings or load_settings(WidgetsSettings)
    return build_app(chosen, title="Facet: widgets", lifespan=lambda _: resources(chosen), routers=[router])
