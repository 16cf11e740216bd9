"""HTTP in, HTTP out."""

from fastapi import APIRouter, Request, Response

from ml_predict.administration import router as administration
from ml_predict.dependencies import predictions_of
from ml_predict.lean import LeanRoute
from ml_predict.oip_routes import health
from ml_predict.oip_routes import router as inference
from ml_predict.requests import gone, json_body
from ml_predict.schemas import PredictResponse
from shared.identity.dependencies import ActiveCaller

router = APIRouter(tags=["predict"], route_class=LeanRoute)
ROUTERS = (router, inference, administration, health)


@router.post("/predict", responses={200: {"model": PredictResponse}})
async def predict(request: Request, _caller: ActiveCaller) -> Response:
    """A prediction for each instance, in their order, by the service's main model. Any caller may ask."""
    answer = await predictions_of(request).predict(await json_body(request), gone=gone(request))
    return Response(answer, media_type="application/json")


@router.post("/predict/{model}", responses={200: {"model": PredictResponse}})
async def predict_with(request: Request, _caller: ActiveCaller, model: str) -> Response:
    """The same by another model of the repository."""
    answer = await predictions_of(request).predict(await json_body(request), model, gone(request))
    return Response(answer, media_type="application/json")
