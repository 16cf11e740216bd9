"""What a proxy asks whether a token is good: `/verify` in FastAPI, with PyJWT and the keys of the start."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient() as client:
        keys = jwt.PyJWKSet.from_dict((await client.get(os.environ["PEER_JWKS_URL"])).json())
    app.state.keys = {key.key_id: key for key in keys.keys}
    yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


@app.get("/verify")
async def verify(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]
) -> Response:
    token = credentials.credentials
    try:
        key = request.app.state.keys[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=["ES256"], audience="facet", issuer="facet")
    except (jwt.PyJWTError, KeyError):
        raise HTTPException(401, "Invalid token") from None
    return Response()
