"""The relay, the consumer and the command for dead letters, each as a process of its own."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa
from redis.asyncio import Redis

from items.consumer import ACCOUNTS as STREAM
from items.consumer import GROUP, MODELS, opened
from items.events import STREAM as OWN_STREAM
from items.settings import ItemsSettings
from items.tables import default_model
from shared.database import Database
from shared.events import Event, dead_letters_command
from shared.events.event import decode, encode
from shared.redis import stream_client
from shared.testing import http_client
from shared.testing.contracts import Contracts
from shared.testing.programs import started

Eventually = Callable[..., Awaitable[Any]]
Command = Callable[..., Awaitable[tuple[int, list[str]]]]


@pytest.fixture(scope="module")
def environment(settings: ItemsSettings) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ITEMS_")}
    return {
        **clean,
        "ITEMS_DATABASE_URL": settings.database_url,
        "ITEMS_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
        "ITEMS_REDIS_URL": settings.redis_url,
        "ITEMS_REDIS_PASSWORD": settings.redis_password.get_secret_value(),
        "ITEMS_LOG_FORMAT": "json",
    }


@pytest_asyncio.fixture(loop_scope="session")
async def redis(settings: ItemsSettings) -> AsyncIterator[Redis]:
    async with stream_client(settings) as opened:
        await opened.delete(STREAM, OWN_STREAM, f"{GROUP}:dead-letters")
        yield opened


@pytest.fixture
def metrics_port() -> int:
    """Free, and below the range that the kernel gives to outgoing connections, which would take it."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


@contextlib.asynccontextmanager
async def running(module: str, environment: dict[str, str], port: int) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of its metrics port. It ends on SIGTERM, with status 0."""
    process = await started("-m", module, environment={**environment, "ITEMS_METRICS_PORT": str(port)})
    try:
        async with http_client(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        [output] = await asyncio.wait_for(process.communicate(), 20)
        sys.stdout.write(output.decode())
    assert process.returncode == 0


async def status(client: httpx2.AsyncClient, path: str) -> int:
    try:
        return (await client.get(path)).status_code
    except httpx2.TransportError:
        return 0


def deactivated(owner_id: int, sequence: int, **changed: Any) -> Any:
    event = {
        "id": f"e-{owner_id}-{sequence}",
        "kind": "user.deactivated",
        "version": 1,
        "sequence": sequence,
        "occurred_at": "2026-01-01T00:00:00Z",
        "request_id": "the-request",
        "data": {"user_id": owner_id},
        **changed,
    }
    return encode(Event.model_validate(event))


async def test_the_consumer_hides_what_it_is_told_of_and_says_how_it_is(
    environment: dict[str, str],
    redis: Redis,
    alice: httpx2.AsyncClient,
    metrics_port: int,
    eventually: Eventually,
) -> None:
    owner_id = (await alice.post("/items", json={"name": "n", "price": "1"})).json()["owner_id"]
    assert owner_id == 1
    await redis.xadd(STREAM, deactivated(owner_id, 1))
    async with running("items.consumer", environment, metrics_port) as client:
        await eventually(lambda: status(client, "/ready"), 200, seconds=30)
        found = lambda: alice.get("/items", params={"owner_id": owner_id})  # noqa: E731 - asked again and again
        await eventually(lambda: total(found), 0)
        assert (await client.get("/health")).json()["service"] == "items-consumer"
        metrics = (await client.get("/metrics")).text
        labels = f'kind="user.deactivated",outcome="handled",stream="{STREAM}"'
        assert f"events_handled_total{{{labels}}} 1.0" in metrics
        await redis.xadd(STREAM, deactivated(owner_id, 2, kind="user.reactivated"))
        await eventually(lambda: total(found), 1)


async def total(found: Callable[[], Awaitable[httpx2.Response]]) -> int:
    return min(1, len((await found()).json()))


async def test_the_relay_sends_what_happens_to_listings(
    environment: dict[str, str],
    redis: Redis,
    bob: httpx2.AsyncClient,
    metrics_port: int,
    eventually: Eventually,
) -> None:
    created = (await bob.post("/items", json={"name": "told of", "price": "1"})).json()

    async def told() -> list[str]:
        events = [decode(fields) for _, fields in await redis.xrange(OWN_STREAM)]
        return [event.kind for event in events if event.data["item_id"] == created["id"]]

    async with running("items.relay", environment, metrics_port) as client:
        await eventually(told, ["item.created"], seconds=30)
        await eventually(lambda: status(client, "/ready"), 200)
        await eventually(lambda: shows(client, "outbox_unsent_events 0.0"), True)


async def shows(client: httpx2.AsyncClient, metric: str) -> bool:
    return metric in (await client.get("/metrics")).text


@pytest.fixture
def command(
    settings: ItemsSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """`await command("discard", "1-1")`: its status and its lines, without a process of its own."""
    monkeypatch.setattr(dead_letters_command, "configure_logging", lambda _: None)

    async def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["items.dead_letters", *words])
        capsys.readouterr()  # what the consumer has said
        with pytest.raises(SystemExit) as ended:
            await asyncio.to_thread(
                dead_letters_command.run, "items.dead_letters", settings, GROUP, opened(settings)
            )
        said = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("{")]  # no log
        return ended.value.code, said  # type: ignore[return-value]  # a number

    return run


async def test_dead_letters_are_shown_replayed_and_discarded(
    environment: dict[str, str], redis: Redis, metrics_port: int, eventually: Eventually, command: Command
) -> None:
    await redis.xadd(STREAM, {"event": "nonsense"})
    await redis.xadd(STREAM, deactivated(77, 1, version=9))
    letters = f"{GROUP}:dead-letters"
    async with running("items.consumer", environment, metrics_port):
        await eventually(lambda: redis.xlen(letters), 2, seconds=30)

    process = await started("-m", "items.dead_letters", "list", environment=environment)
    [output] = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, output.decode()
    shown = output.decode().splitlines()
    assert "unreadable" in shown[0]
    assert "user.deactivated {'user_id': 77}  unknown version 9" in shown[1]
    assert await command("replay") == (1, ["0 handled, 2 left", *shown_again(shown)])

    unreadable, unknown = [line.split()[0] for line in shown]
    [(_, fields)] = await redis.xrange(letters, unknown, unknown)
    known = json.loads(fields[b"event"]) | {"version": 1}
    await redis.xadd(letters, fields | {b"event": json.dumps(known)})
    await redis.xdel(letters, unknown)
    assert await command("discard", unreadable) == (0, [f"{unreadable} is discarded"])
    assert await command("replay") == (0, ["1 handled, 0 left"])
    assert await command("discard", "1-1") == (0, ["there is no letter 1-1"])


def shown_again(lines: list[str]) -> list[str]:
    return [lines[0], lines[1].replace("unknown version 9", "NotAnEvent('unknown version 9')")]


@pytest.mark.parametrize("words", [["discard"], ["replay", "1-1"], ["burn"]])
def test_a_wrong_command_is_one_that_says_how(
    settings: ItemsSettings,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["items.dead_letters", *words])
    with pytest.raises(SystemExit) as ended:
        dead_letters_command.run("items.dead_letters", settings, GROUP, opened(settings))
    assert (ended.value.code, "usage" in capsys.readouterr().err) == (2, True)


async def test_without_redis_the_command_says_so_in_one_line(environment: dict[str, str]) -> None:
    process = await started(
        "-m", "items.dead_letters", environment={**environment, "ITEMS_REDIS_URL": "unix:///nowhere"}
    )
    [output] = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert output.decode().splitlines() == ["Redis cannot be asked (ConnectionError)"]


async def test_a_port_that_is_in_use_stops_the_start_with_one_line(environment: dict[str, str]) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await started(
        "-m", "items.consumer", environment={**environment, "ITEMS_METRICS_PORT": str(port)}
    )
    [output] = await asyncio.wait_for(process.communicate(), 30)
    server.close()
    assert process.returncode == 1
    [line] = output.decode().splitlines()
    assert line == f"cannot listen on 127.0.0.1:{port}: Address already in use"


async def test_what_cannot_work_is_alive_and_not_ready(
    environment: dict[str, str], metrics_port: int, eventually: Eventually
) -> None:
    nowhere = {**environment, "ITEMS_REDIS_URL": "unix:///nowhere"}
    async with running("items.relay", nowhere, metrics_port) as client:
        await eventually(lambda: status(client, "/ready"), 503, seconds=30)
        assert await status(client, "/health") == 200


async def test_the_consumer_hears_of_another_default_model_too(
    environment: dict[str, str],
    redis: Redis,
    database: Database,
    contracts: Contracts,
    metrics_port: int,
    eventually: Eventually,
) -> None:
    example = contracts.event("model.default_changed")
    event = example.model_copy(update={"sequence": 2**62})  # newer than what a server beside this test tells
    await redis.delete(MODELS)
    async with database.transaction() as connection:
        await connection.execute(sa.delete(default_model))
    await redis.xadd(MODELS, encode(event))

    async def known() -> list[str]:
        return list(await database.autocommit.scalars(sa.select(default_model.c.version)))

    async with running("items.consumer", environment, metrics_port) as client:
        await eventually(known, [event.data["default"]], seconds=30)
        checks = (await client.get("/ready")).json()["checks"]
    assert set(checks) == {f"consumer of {STREAM}", f"consumer of {MODELS}"}
