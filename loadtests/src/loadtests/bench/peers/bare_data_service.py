"""The limit: a bare ASGI application with asyncpg and orjson, without identity, checks, log or metrics."""

import asyncio
import hashlib
import os
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import orjson
from argon2 import PasswordHasher

COLUMNS = "id, name, description, price::text, currency, features, owner_id, created_at, updated_at"
ALL = "SELECT " + COLUMNS + " FROM items"  # noqa: S608 - our own text
BY_ID = ALL + " WHERE id = $1"
PAGE = ALL + " ORDER BY created_at DESC, id DESC LIMIT $1"
CUT = ALL + " WHERE features @> $2 ORDER BY created_at DESC, id DESC LIMIT $1"
WORDS = (
    """to_tsvector('simple'::regconfig, lower(((name || ' '::text) || (description COLLATE pg_c_utf8))))"""
)
# Found first, ordered then: a plan for any words would go through all listings by their age.
FOUND = f" WHERE {WORDS} @@ websearch_to_tsquery('simple', lower($1)) OFFSET 0"
SEARCH = f"SELECT * FROM ({ALL + FOUND}) AS found ORDER BY created_at DESC, id DESC LIMIT 20"  # noqa: S608 - our own text
FEATURES, HASH = (
    "SELECT features FROM items WHERE id = $1",
    'SELECT hashed_password FROM "user" WHERE email = $1',
)
COUNT, COUNT_CUT = "SELECT count(*) FROM items", "SELECT count(*) FROM items WHERE features @> $1"
ADD = """INSERT INTO items (name, description, price, currency, features, owner_id)
VALUES ($1, $2, $3::text::numeric, $4, $5, 1) RETURNING """
ADD += COLUMNS
ROTATE = "UPDATE bare_sessions SET digest = $2 WHERE digest = $1 RETURNING user_id"
COUNT_FOUND = f"SELECT count(*) FROM (SELECT 1 FROM items{FOUND}) AS found"  # noqa: S608 - our own text
STATE: dict[str, Any] = {}
HASHER = PasswordHasher(2, 19_456, 1)  # as ours


async def prepare(connection: Any) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=str, decoder=orjson.loads)


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                STATE["pool"] = await asyncpg.create_pool(
                    os.environ["PEER_DATABASE_URL"], min_size=5, max_size=5, init=prepare, reset=_nothing
                )
                await send({"type": "lifespan.startup.complete"})
            else:
                await STATE["pool"].close()
                await send({"type": "lifespan.shutdown.complete"})
                return
    status, headers, body = await answer(scope, receive)
    headers.append((b"content-type", b"application/json"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _nothing(_: Any) -> None:
    return None


async def price(features: Any) -> Any:
    """Over a connection that is used again."""
    idle = STATE.setdefault("idle", [])
    port = int(os.environ["PEER_MODELS_PORT"])
    reader, writer = idle.pop() if idle else await asyncio.open_connection("127.0.0.1", port)
    body = orjson.dumps({"instances": [features]})
    head = (
        b"POST /predict HTTP/1.1\r\nHost: m\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    writer.write(head % len(body) + body)
    fields = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(fields.partition(b"content-length:")[2].partition(b"\r\n")[0])
    found = orjson.loads(await reader.readexactly(length))
    idle.append((reader, writer))
    return found["predictions"][0]


async def log_in(pool: Any, form: Mapping[str, list[str]]) -> bytes:
    hashed = await pool.fetchval(HASH, form["username"][0])
    await asyncio.get_running_loop().run_in_executor(None, HASHER.verify, hashed, form["password"][0])
    return orjson.dumps({"access_token": secrets.token_urlsafe(), "token_type": "bearer"})


async def refresh(pool: Any, given: Mapping[str, str]) -> bytes:
    """The token is replaced in one statement."""
    successor = secrets.token_urlsafe()
    digests = [hashlib.sha256(token.encode()).digest() for token in (given["refresh_token"], successor)]
    if await pool.fetchval(ROTATE, *digests) is None:
        raise LookupError
    return orjson.dumps({"access_token": secrets.token_urlsafe(), "refresh_token": successor})


async def answer(scope: Any, receive: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    pool = STATE["pool"]
    if scope["path"] == "/auth/token":
        return 200, [], await log_in(pool, parse_qs((await receive())["body"].decode()))
    if scope["path"] == "/auth/refresh":
        return 200, [], await refresh(pool, orjson.loads((await receive())["body"]))
    if scope["path"].endswith("/appraisal"):
        item_id = int(scope["path"].split("/")[2])
        return (
            200,
            [],
            orjson.dumps({"item_id": item_id, **await price(await pool.fetchval(FEATURES, item_id))}),
        )
    if scope["method"] == "POST":
        new = orjson.loads((await receive())["body"])
        features = orjson.dumps(new["features"]).decode() if new.get("features") else None
        row = await pool.fetchrow(
            ADD, new["name"], new.get("description", ""), new["price"], new.get("currency", "USD"), features
        )
        return 201, [], orjson.dumps(dict(row))
    if scope["path"] == "/items":
        query = parse_qs(scope["query_string"].decode())
        async with pool.acquire() as connection:
            if "q" in query:
                rows = await connection.fetch(SEARCH, query["q"][0])
                count = await connection.fetchval(COUNT_FOUND, query["q"][0])
            elif "cut" in query:
                cut = orjson.dumps({"cut": query["cut"][0]}).decode()
                rows = await connection.fetch(CUT, 20, cut)
                count = await connection.fetchval(COUNT_CUT, cut)
            else:
                rows = await connection.fetch(PAGE, 20)
                count = await connection.fetchval(COUNT)
        return 200, [(b"x-total-count", b"%d" % count)], orjson.dumps([dict(row) for row in rows])
    row = await pool.fetchrow(BY_ID, int(scope["path"].rpartition("/")[2]))
    return (404, [], b"{}") if row is None else (200, [], orjson.dumps(dict(row)))
