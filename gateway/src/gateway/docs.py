"""The documentation of all services on one page, without anything from another host."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html, get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.staticfiles import StaticFiles

from gateway.dependencies import Client, Plane, Settings
from gateway.openapi import merged_openapi

ASSETS = "/docs/assets"
POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request, settings: Settings, plane: Plane, client: Client) -> dict[str, Any]:
    return await merged_openapi(request.app.openapi(), settings.upstreams, plane.routes, client)


@router.get("/docs")
async def docs() -> HTMLResponse:
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Facet",
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{ASSETS}/favicon.png",
        oauth2_redirect_url="/docs/oauth2-redirect",
    )
    page.headers["Content-Security-Policy"] = POLICY
    return page


@router.get("/docs/oauth2-redirect")
async def oauth2_redirect() -> HTMLResponse:
    return get_swagger_ui_oauth2_redirect_html()


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/docs")


def assets() -> StaticFiles:
    """Swagger UI's files, from the package that carries them; the package itself is not imported."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise RuntimeError("fastapi-offline is not installed")
    return StaticFiles(directory=Path(spec.origin).parent / "static")
