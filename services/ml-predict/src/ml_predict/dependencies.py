"""What a route asks for."""

from fastapi import Request

from ml_predict.service import PredictionService


def predictions_of(request: Request) -> PredictionService:
    """The lifespan's service."""
    service: PredictionService = request.state.predictions
    return service
