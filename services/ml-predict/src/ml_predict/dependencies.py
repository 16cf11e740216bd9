"""What a route asks for."""

from typing import Annotated

from fastapi import Depends, Request

from ml_predict.service import PredictionService
from ml_predict.versions import Versions


def predictions_of(request: Request) -> PredictionService:
    """The lifespan's service."""
    service: PredictionService = request.state.predictions
    return service


async def versions_of(request: Request) -> Versions:
    """The lifespan's versions."""
    versions: Versions = request.state.versions
    return versions


ServedVersions = Annotated[Versions, Depends(versions_of)]
