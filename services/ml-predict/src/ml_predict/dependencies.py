"""What a route asks for."""

from typing import Annotated

from fastapi import Depends, Request

from ml_predict.service import PredictionService


async def _predictions(request: Request) -> PredictionService:
    service: PredictionService = request.state.predictions
    return service


Predictions = Annotated[PredictionService, Depends(_predictions)]
