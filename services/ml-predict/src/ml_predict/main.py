"""The model server's application."""

from fastapi import FastAPI

from ml_predict.lifespan import resources
from ml_predict.openapi import with_card_schemas
from ml_predict.routes import ROUTERS
from ml_predict.settings import MlPredictSettings
from shared.app import build_app
from shared.settings import load_settings


def create_app(settings: MlPredictSettings | None = None) -> FastAPI:
    """The models of a repository over HTTP."""
    chosen = settings or load_settings(MlPredictSettings)
    app = build_app(
        chosen,
        title="Facet: predictions",
        lifespan=lambda _: resources(chosen),
        routers=ROUTERS,
    )
    return with_card_schemas(app, chosen)
