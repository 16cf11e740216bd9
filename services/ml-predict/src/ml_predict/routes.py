"""HTTP in, HTTP out."""

from fastapi import APIRouter

from ml_predict.dependencies import Predictions
from ml_predict.schemas import PredictRequest, PredictResponse
from shared.identity import ActiveCaller

router = APIRouter(tags=["predict"])


@router.post("/predict")
async def predict(asked: PredictRequest, _caller: ActiveCaller, predictions: Predictions) -> PredictResponse:
    """Estimate, low and high in USD for each diamond, in their order. Any caller may ask."""
    return await predictions.predict(asked.instances)
