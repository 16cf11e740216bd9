"""The model server's application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from ml_predict.lifespan import Resources, resources
from ml_predict.refusal import RefusalMiddleware
from ml_predict.routes import router
from ml_predict.settings import MlPredictSettings
from shared.app import build_app
from shared.settings import load_settings


def create_app(settings: MlPredictSettings | None = None) -> FastAPI:
    """Prices of diamonds over HTTP."""
    chosen = settings or load_settings(MlPredictSettings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Resources]:
        async with resources(chosen) as made:
            yield made

    return build_app(
        chosen,
        title="Facet: prices",
        lifespan=lifespan,
        routers=[router],
        inner=[Middleware(RefusalMiddleware)],
    )
