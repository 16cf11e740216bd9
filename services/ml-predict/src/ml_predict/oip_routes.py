"""The Open Inference Protocol (v2) over REST, with binary tensors and the repository's index."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from ml_predict.dependencies import predictions_of
from ml_predict.lean import LeanRoute
from ml_predict.oip import (
    LENGTH,
    Index,
    ModelMetadata,
    ModelReady,
    ServerMetadata,
    index,
    metadata_of,
    server,
)
from ml_predict.requests import gone, json_length, plain_body
from shared.exceptions import ServiceError
from shared.identity.dependencies import ActiveCaller


class OipRoute(LeanRoute):
    """Problems also have the member `error`, which clients of the protocol show."""

    async def answer(self, request: Request, parameters: Mapping[str, Any]) -> Response:
        try:
            return await super().answer(request, parameters)
        except ServiceError as error:
            error.extra["error"] = str(error)
            raise


health = APIRouter(prefix="/v2", tags=["inference protocol"])
router = APIRouter(prefix="/v2", tags=["inference protocol"], route_class=OipRoute)


@health.get("/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@health.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Every model is loaded and warm. `/ready` also asks what the service needs."""
    return {"ready": True}


@router.get("", response_model=ServerMetadata)
async def server_metadata(request: Request, _caller: ActiveCaller) -> Response:
    """Name, version and extensions of this server."""
    return _json(server(request.app.version))


@router.post("/repository/index", response_model=list[Index])
async def repository_index(request: Request, _caller: ActiveCaller) -> Response:
    """Every model and version that is served."""
    return Response(index(predictions_of(request).repository), media_type="application/json")


@router.get("/models/{model}", response_model=ModelMetadata)
@router.get("/models/{model}/versions/{version}", response_model=ModelMetadata)
async def model_metadata(
    request: Request, _caller: ActiveCaller, model: str, version: str | None = None
) -> Response:
    """Inputs and outputs, with datatypes and shapes."""
    return _json(metadata_of(predictions_of(request).repository, model, version))


@router.get("/models/{model}/ready", response_model=ModelReady)
@router.get("/models/{model}/versions/{version}/ready", response_model=ModelReady)
async def model_ready(
    request: Request, _caller: ActiveCaller, model: str, version: str | None = None
) -> Response:
    """200 when the model answers, 404 when there is none."""
    found = predictions_of(request).repository.find(model, version)
    return _json(ModelReady(name=found.ref.name, ready=True))


@router.post("/models/{model}/infer")
@router.post("/models/{model}/versions/{version}/infer")
async def infer(request: Request, _caller: ActiveCaller, model: str, version: str | None = None) -> Response:
    """Outputs for the given inputs. With `Inference-Header-Content-Length`, tensors may follow the JSON."""
    body = await plain_body(request)
    answer, length = await predictions_of(request).infer(
        model, version, body, json_length(request), gone(request)
    )
    if length is None:
        return Response(answer, media_type="application/json")
    return Response(answer, headers={LENGTH: str(length)}, media_type="application/octet-stream")


def _json(document: ServerMetadata | ModelMetadata | ModelReady) -> Response:
    return Response(document.model_dump_json(), media_type="application/json")
