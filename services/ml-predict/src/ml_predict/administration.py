"""What administrators may do with models while they are served: load, unload, and choose who answers."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from ml_predict.dependencies import ServedVersions
from ml_predict.serving_state import Traffic
from shared.identity.dependencies import AdminCaller

router = APIRouter(prefix="/v2/repository/models/{model}", tags=["model repository"])


class VersionChosen(BaseModel):
    """Parameters of the protocol that are not known here are ignored, as it wants."""

    version: Annotated[str, Field(max_length=100, examples=["2"])] | None = None


class VersionRequest(BaseModel):
    parameters: VersionChosen = VersionChosen()

    model_config = ConfigDict(json_schema_extra={"example": {"parameters": {"version": "2"}}})


class Loaded(BaseModel):
    name: str
    versions: list[str]


@router.post("/load")
async def load(
    model: str, versions: ServedVersions, _caller: AdminCaller, asked: VersionRequest | None = None
) -> Loaded:
    """Load a version, or all of a model's folder, anew; it answers when it is verified and warm."""
    version = asked.parameters.version if asked else None
    return Loaded(name=model, versions=await versions.load(model, version))


@router.post("/unload")
async def unload(
    model: str, versions: ServedVersions, _caller: AdminCaller, asked: VersionRequest | None = None
) -> dict[str, Any]:
    """Stop serving a version, or the whole model."""
    await versions.unload(model, asked.parameters.version if asked else None)
    return {}


@router.get("/traffic")
async def traffic(model: str, versions: ServedVersions, _caller: AdminCaller) -> Traffic:
    """Who answers requests that name no version."""
    return await versions.traffic(model)


@router.put("/traffic")
async def route(model: str, versions: ServedVersions, _caller: AdminCaller, wanted: Traffic) -> Traffic:
    """Choose the default version, a canary with its share, and a shadow; a rollback is such a choice."""
    return await versions.route(model, wanted)
