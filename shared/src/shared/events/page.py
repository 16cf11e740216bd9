"""What a relay or a consumer answers on its metrics port: `/metrics`, `/health` and `/ready`.

Without FastAPI: importing it would take a third of the process's start.
"""

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shared.health import Alive, Check, readiness
from shared.problems import install_problem_handlers
from shared.settings import ServiceSettings


def page(settings: ServiceSettings, checks: list[Check]) -> Starlette:
    async def health(_: Request) -> Response:
        return _json(Alive(service=settings.service, version=settings.version))

    async def ready(_: Request) -> Response:
        return _json(await readiness(checks))

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = Starlette(routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)])
    install_problem_handlers(app)
    return app


def _json(shown: BaseModel) -> Response:
    return Response(shown.model_dump_json(exclude_none=True), media_type="application/json")
