"""A listing that is read often comes from memory, and nobody is shown what they have changed since."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa

from items.main import create_app
from items.settings import ItemsSettings
from shared.database import Database
from shared.testing import LiveApp, TestIdentity, served

Create = Callable[..., Awaitable[dict[str, Any]]]
Eventually = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def second(settings: ItemsSettings) -> AsyncIterator[LiveApp]:
    """Another worker, with a cache of its own."""
    async with served(create_app(settings)) as running:
        yield running


async def kept(live: LiveApp, path: str, database: Database, eventually: Eventually) -> None:
    """Returns when that worker answers from memory: what is changed behind its back is not seen."""

    async def from_memory() -> bool:
        await live.client.get(path)
        async with database.transaction() as connection:
            change = sa.text(
                "UPDATE items SET description = description || '.' WHERE id = :id RETURNING description"
            )
            stored = await connection.scalar(change, {"id": int(path.rpartition("/")[2])})
        return bool((await live.client.get(path)).json()["description"] != stored)

    await eventually(from_memory)


@pytest.mark.parametrize("change", ["patch", "delete"])
async def test_everybody_sees_a_change_soon_and_its_author_at_once_in_every_worker(
    live: LiveApp,
    second: LiveApp,
    alice: httpx2.AsyncClient,
    create: Create,
    database: Database,
    eventually: Eventually,
    identity: TestIdentity,
    change: str,
) -> None:
    item = await create(name="before")
    path = f"/items/{item['id']}"
    for worker in (live, second):
        await kept(worker, path, database, eventually)
    if change == "patch":
        assert (await alice.patch(path, json={"name": "after"})).status_code == 200
    else:
        assert (await alice.delete(path)).status_code == 204
    expected = (200, "after") if change == "patch" else (404, None)

    async def seen(worker: LiveApp, **headers: str) -> tuple[int, str | None]:
        answer = await worker.client.get(path, headers=headers)
        return answer.status_code, answer.json().get("name")

    assert await seen(second, **identity.headers(1)) == expected  # before the message need have come
    assert await seen(live) == expected
    await eventually(lambda: seen(second), expected)


async def test_a_tag_is_the_same_from_memory_and_a_condition_is_about_what_is_stored(
    live: LiveApp,
    alice: httpx2.AsyncClient,
    create: Create,
    database: Database,
    eventually: Eventually,
) -> None:
    path = f"/items/{(await create())['id']}"
    stored = await alice.get(path)  # past the cache, for she may change it
    remembered = await live.client.get(path)
    assert remembered.headers["ETag"] == stored.headers["ETag"]
    await kept(live, path, database, eventually)
    remembered, stored = await live.client.get(path), await alice.get(path)
    old, new = {"If-None-Match": remembered.headers["ETag"]}, {"If-None-Match": stored.headers["ETag"]}
    assert old != new
    known = await live.client.get(path, headers=old)
    assert (known.status_code, known.json()) == (200, stored.json())
    assert (await live.client.get(path, headers=new)).status_code == 304
    changes = {"json": {"name": "after"}}
    lost = await alice.patch(path, **changes, headers={"If-Match": old["If-None-Match"]})
    assert lost.status_code == 412
    won = await alice.patch(path, **changes, headers={"If-Match": new["If-None-Match"]})
    assert won.status_code == 200
    assert (await live.client.get(path)).headers["ETag"] == won.headers["ETag"]


async def test_a_wrong_token_reads_as_nobody(live: LiveApp, create: Create) -> None:
    path = f"/items/{(await create())['id']}"
    for header in ("Bearer x.y.z", "Bearer", "Basic x"):
        assert (await live.client.get(path, headers={"Authorization": header})).status_code == 200
