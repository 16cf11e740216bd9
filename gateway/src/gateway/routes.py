"""The gateway's own pages: one documentation for all services. What it forwards is in `routes.toml`."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, RedirectResponse

from gateway import swagger
from gateway.dependencies import Client, Plane, Settings
from gateway.openapi import merged_openapi

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request, settings: Settings, plane: Plane, client: Client) -> dict[str, Any]:
    return await merged_openapi(request.app.openapi(), settings.upstreams, plane.routes, client)


@router.get("/docs")
async def docs() -> HTMLResponse:
    return swagger.page()


@router.get("/docs/oauth2-redirect")
async def oauth2_redirect() -> HTMLResponse:
    return get_swagger_ui_oauth2_redirect_html()


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/docs")
