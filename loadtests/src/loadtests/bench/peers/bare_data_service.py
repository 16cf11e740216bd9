"""The limit: a bare ASGI application with asyncpg and orjson, without identity, checks, log or metrics."""

import os
from typing import Any
from urllib.parse import parse_qs

import asyncpg
import orjson

COLUMNS = "id, name, description, price::text, currency, features, owner_id, created_at, updated_at"
ALL = "SELECT " + COLUMNS + " FROM items"  # noqa: S608 - our own text
BY_ID = ALL + " WHERE id = $1"
PAGE = ALL + " ORDER BY created_at DESC, id DESC LIMIT $1"
CUT = ALL + " WHERE features @> $2 ORDER BY created_at DESC, id DESC LIMIT $1"
COUNT, COUNT_CUT = "SELECT count(*) FROM items", "SELECT count(*) FROM items WHERE features @> $1"
ADD = """INSERT INTO items (name, description, price, currency, features, owner_id)
VALUES ($1, $2, $3::text::numeric, $4, $5, 1) RETURNING """
ADD += COLUMNS
STATE: dict[str, Any] = {}


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


async def answer(scope: Any, receive: Any) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    pool = STATE["pool"]
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
            if "cut" in query:
                cut = orjson.dumps({"cut": query["cut"][0]}).decode()
                rows = await connection.fetch(CUT, 20, cut)
                count = await connection.fetchval(COUNT_CUT, cut)
            else:
                rows = await connection.fetch(PAGE, 20)
                count = await connection.fetchval(COUNT)
        return 200, [(b"x-total-count", b"%d" % count)], orjson.dumps([dict(row) for row in rows])
    row = await pool.fetchrow(BY_ID, int(scope["path"].rpartition("/")[2]))
    return (404, [], b"{}") if row is None else (200, [], orjson.dumps(dict(row)))
