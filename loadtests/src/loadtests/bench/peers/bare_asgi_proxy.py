"""A proxy as one ASGI function on the fastest client: tokens verified once and remembered, one log line.

The limit of a gateway that is an ASGI application: no framework, no deadline, bodies whole.
"""

import asyncio
import json
import os
import sys
import time
import urllib.request
from typing import Any

import jwt
from bare_upstream import ADDRESS, Pool

with urllib.request.urlopen(os.environ["PEER_JWKS_URL"]) as answer:  # noqa: S310 - the bench's own address
    KEYS = {key.key_id: key for key in jwt.PyJWKSet.from_dict(json.load(answer)).keys}
HOST = ADDRESS.netloc.encode()
sys.stdout.reconfigure(line_buffering=True)
verified: set[str] = set()
pool = Pool()


def is_good(token: str) -> bool:
    if token in verified:
        return True
    try:
        key = KEYS[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, key, algorithms=["ES256"], audience="facet", issuer="facet")
    except (jwt.PyJWTError, KeyError):
        return False
    verified.add(token)
    return True


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    began = time.perf_counter()
    token = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ").decode("latin-1")
    if is_good(token):
        status, headers, body = await forward(scope, receive)
    else:
        status, headers, body = 401, [(b"content-length", b"0")], b""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    took = (time.perf_counter() - began) * 1000
    sys.stdout.write(f"{scope['method']} {scope['path']} {status} {took:.1f} ms\n")


async def forward(scope: dict[str, Any], receive: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields = b"".join([b"%b: %b\r\n" % field for field in scope["headers"] if field[0] != b"host"])
    line = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (scope["method"].encode(), scope["raw_path"], HOST)
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    pool.send(line + fields + b"\r\n" + body, lambda *answer: done.done() or done.set_result(answer))
    answered: tuple[int, list[tuple[bytes, bytes]], bytes] = await done
    return answered
