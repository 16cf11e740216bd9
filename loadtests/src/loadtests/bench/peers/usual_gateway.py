"""A gateway the way most people write one: FastAPI, httpx, PyJWT, a logging middleware.

Meant to be good of its kind: one shared client whose keep-alive pool holds all connections of the bench, the
keys fetched once at the start, one log line a request (uvicorn's own is off), the body passed on as it came.
"""

import importlib
import logging
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.middleware.base import BaseHTTPMiddleware

httpx: Any = importlib.import_module(os.environ.get("PEER_CLIENT", "httpx"))  # httpx2 has the same interface
UPSTREAM = os.environ["PEER_UPSTREAM_URL"]
JWKS_URL = os.environ["PEER_JWKS_URL"]
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host"}
NOT_PASSED_BACK = HOP_BY_HOP | {"content-length", "content-encoding"}  # httpx has decoded the body

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpx2").setLevel(logging.WARNING)
log = logging.getLogger("gateway")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(base_url=UPSTREAM, limits=limits, timeout=10.0) as client:
        app.state.client = client
        keys = jwt.PyJWKSet.from_dict((await client.get(JWKS_URL)).json())
        app.state.keys = {key.key_id: key for key in keys.keys}
        yield


class LoggingMiddleware(BaseHTTPMiddleware):
    async def dispatch(
        self, request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        started = time.perf_counter()
        response = await call_next(request)
        elapsed = (time.perf_counter() - started) * 1000
        response.headers["X-Process-Time"] = f"{elapsed / 1000:.6f}"
        log.info("%s %s %s %.1f ms", request.method, request.url.path, response.status_code, elapsed)
        return response


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoggingMiddleware)
bearer = HTTPBearer()


async def current_claims(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> dict[str, Any]:
    token = credentials.credentials
    try:
        key = request.app.state.keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token, key, algorithms=["ES256"], audience="facet", issuer="facet"
        )
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(401, "Invalid token") from None
    return claims


@app.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def proxy(
    request: Request, path: str, _: Annotated[dict[str, Any], Depends(current_claims)]
) -> Response:
    headers = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
    try:
        answer = await request.app.state.client.request(
            request.method,
            f"/{path}",
            params=request.query_params,
            headers=headers,
            content=await request.body(),
        )
    except httpx.TransportError:
        raise HTTPException(502, "Bad gateway") from None
    passed = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_BACK}
    return Response(answer.content, answer.status_code, passed)
