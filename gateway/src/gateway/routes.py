"""The gateway's own pages: one documentation for all services. What it forwards is in `routes.toml`."""

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_oauth2_redirect_html
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway import swagger
from gateway.dependencies import Documents

router = APIRouter(include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request, documentation: Documents) -> Response:
    return Response(await documentation.read(request.app.openapi()), media_type="application/json")


@router.get("/docs")
async def docs() -> HTMLResponse:
    return swagger.page()


@router.get("/docs/oauth2-redirect")
async def oauth2_redirect() -> HTMLResponse:
    return get_swagger_ui_oauth2_redirect_html()


@router.get("/")
async def home() -> RedirectResponse:
    return RedirectResponse("/docs")
