"""An asynchronous shop, to try `facet-tune` on: each request computes for about 3 ms and waits for 10 ms."""

import asyncio
import hashlib

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def ready() -> dict[str, str]:
    return {"status": "ready"}


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, int | str]:
    await asyncio.sleep(0.01)  # as a database that answers
    digest = hashlib.pbkdf2_hmac("sha256", b"work", str(item_id).encode(), 4000)
    return {"id": item_id, "digest": digest.hex()}
