"""`/health` and `/ready` of a service, with their place in its OpenAPI document."""

from fastapi import APIRouter, Request

from shared.health import Alive, Ready, readiness
from shared.problems import Problem


def health_router(service: str, version: str) -> APIRouter:
    """The lifespan gives the checks as `checks`, a list of `Check`, in its state."""
    router = APIRouter(tags=["health"])

    @router.get("/health")
    async def health() -> Alive:
        return Alive(service=service, version=version)

    @router.get("/ready", response_model_exclude_none=True, responses={503: {"model": Problem}})
    async def ready(request: Request) -> Ready:
        return await readiness(request.state.checks)

    return router
