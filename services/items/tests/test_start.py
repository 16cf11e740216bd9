"""Settings, readiness, and the service under gunicorn."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from items.main import create_app
from items.settings import ItemsSettings
from shared.settings import load_settings
from shared.testing import LiveApp, TestIdentity, served

from .conftest import Create

NEEDED = {
    "ITEMS_DATABASE_URL": "postgresql+asyncpg://items@/items",
    "ITEMS_DATABASE_PASSWORD": "secret",
    "ITEMS_REDIS_URL": "unix:///nowhere",
    "ITEMS_REDIS_PASSWORD": "secret",
    "ITEMS_JWKS_URL": "http://127.0.0.1:1/keys",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in NEEDED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_what_is_not_told_has_a_default(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(ItemsSettings)
    assert (settings.service, settings.port) == ("items", 8002)
    assert (settings.ml_predict_url, settings.appraisal_timeout) == ("http://127.0.0.1:8003", 2.0)


@pytest.mark.parametrize("name", NEEDED)
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SystemExit, match=f"wrong settings: {name} is missing"):
        load_settings(ItemsSettings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("ITEMS_ML_PREDICT_URL", value) for value in ("ml:8003", "ftp://ml", "http://", "unix:/x")),
        *(("ITEMS_ML_PREDICT_URL", value) for value in ("http://ml/predict", "http://ml?x", "ml")),
        *(("ITEMS_APPRAISAL_TIMEOUT", value) for value in ("0", "-1", "nan", "61", "soon")),
    ],
)
def test_what_is_wrong_is_named(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(SystemExit, match=name):
        load_settings(ItemsSettings)


def test_a_slash_at_the_end_changes_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ITEMS_ML_PREDICT_URL", "http://ml-predict:8003/")
    assert load_settings(ItemsSettings).ml_predict_url == "http://ml-predict:8003"


async def test_ready_needs_postgres_revocations_and_keys_but_not_ml_predict(live: LiveApp) -> None:
    answer = await live.client.get("/ready")
    assert answer.status_code == 200
    assert set(answer.json()["checks"]) == {"postgres", "revocations", "keys"}


async def test_without_postgres_it_is_not_ready_and_listings_are_503(
    settings: ItemsSettings, tmp_path: Path
) -> None:
    gone = {"database_url": f"postgresql+asyncpg://items@/items?host={tmp_path}"}
    async with served(create_app(settings.model_copy(update=gone))) as live:
        ready = await live.client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: postgres.")
        answer = await live.client.get("/items")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert (await live.client.get("/health")).status_code == 200


async def test_without_redis_at_its_start_listings_are_read_but_not_made(
    settings: ItemsSettings, identity: TestIdentity, tmp_path: Path, create: Create
) -> None:
    """Until the list of ended sessions was read, a token could be one of those."""
    item = await create()
    gone = {"redis_url": f"unix://{tmp_path}/none"}
    async with served(create_app(settings.model_copy(update=gone))) as live:
        ready = await live.client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: revocations.")
        made = await live.client.post("/items", json={"name": "n", "price": 1}, headers=identity.headers())
        assert (made.status_code, made.json()["code"]) == (503, "revocations_unknown")
        assert (await live.client.get(f"/items/{item['id']}")).status_code == 200


async def test_without_keys_listings_are_read_but_not_made(
    settings: ItemsSettings, identity: TestIdentity, closed_port: int, create: Create
) -> None:
    item = await create()
    gone = {"jwks_url": f"http://127.0.0.1:{closed_port}/keys"}
    async with served(create_app(settings.model_copy(update=gone))) as live:
        ready = await live.client.get("/ready")
        assert (ready.status_code, ready.json()["detail"]) == (503, "Not ready: keys.")
        assert (await live.client.get(f"/items/{item['id']}")).status_code == 200
        made = await live.client.post("/items", json={"name": "n", "price": 1}, headers=identity.headers())
        assert (made.status_code, made.json()["code"]) == (503, "keys_unavailable")


async def test_it_starts_answers_and_ends_under_gunicorn(
    settings: ItemsSettings, eventually: Callable[..., Awaitable[None]]
) -> None:
    given: dict[str, Any] = {
        "DATABASE_URL": settings.database_url,
        "DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "REDIS_URL": settings.redis_url,
        "REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "JWKS_URL": settings.jwks_url,
        "WORKERS": "2",
        "PORT": "0",
        "LOG_FORMAT": "json",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "items"),
        env=os.environ | {f"ITEMS_{name}": value for name, value in given.items()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        address = None
        while address is None:
            address = re.search(rb"Listening at: (http://[0-9.:]+)", await process.stdout.readline())
        async with httpx2.AsyncClient(base_url=address[1].decode()) as client:

            async def status() -> int:
                return (await client.get("/ready")).status_code

            await eventually(status, 200)
            assert (await client.get("/items")).status_code == 200
        process.send_signal(signal.SIGTERM)
        rest = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert rest.count("Application shutdown complete") == 2
