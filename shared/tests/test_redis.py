"""Redis clients: requests fail fast, streams wait."""

import asyncio
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions
from fastapi import APIRouter, Request

from shared.embedded import EmbeddedValkey
from shared.redis import POOL_SIZE, is_unavailable, request_client, subscriber_client
from shared.settings import RedisSettings
from shared.testing import served

router = APIRouter()


@router.get("/count")
async def count(request: Request) -> int:
    return int(await request.state.redis.incr("count"))


@router.get("/both")
async def ask_and_count(request: Request) -> None:
    await request.state.redis.ping()
    async with request.state.redis.pipeline(transaction=True) as pipe:
        pipe.incr("count")
        await pipe.execute()


@router.get("/mistake")
async def mistake(request: Request) -> None:
    await request.state.redis.set("text", "a")
    await request.state.redis.lpush("text", "b")


@pytest.fixture
def own_valkey() -> Iterator[EmbeddedValkey]:
    """One that may be killed."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder:
        server = EmbeddedValkey(Path(folder) / "data", secrets.token_urlsafe(), Path(folder) / "log")
        server.start()
        yield server
        server.stop()


def settings(server: EmbeddedValkey, timeout: float = 0.5) -> RedisSettings:
    return RedisSettings(redis_url=server.url, redis_password=server.password, redis_timeout=timeout)


async def test_it_logs_in_and_speaks_text(redis_settings: dict[str, Any]) -> None:
    client = request_client(RedisSettings(**redis_settings))
    await client.set("gem", "ünïcode")
    assert await client.get("gem") == "ünïcode"
    await client.aclose()


async def test_more_callers_than_connections_wait_for_their_turn(redis_settings: dict[str, Any]) -> None:
    client = request_client(RedisSettings(**redis_settings, redis_timeout=5))
    answers = await asyncio.gather(*(client.incr("many") for _ in range(POOL_SIZE * 4)))
    assert len(set(answers)) == POOL_SIZE * 4
    await client.aclose()


async def test_a_gone_redis_is_503_and_comes_back(
    own_valkey: EmbeddedValkey, make_app: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    client = request_client(settings(own_valkey))
    async with served(make_app(router, redis=client)) as live:
        assert (await live.client.get("/count")).status_code == 200
        assert own_valkey.process
        own_valkey.process.kill()
        own_valkey.process.wait()
        gone = await live.client.get("/count")
        assert (gone.status_code, gone.json()["code"]) == (503, "redis_unavailable")
        assert gone.headers["retry-after"]
        await asyncio.to_thread(own_valkey.start)

        async def works() -> bool:
            return (await live.client.get("/count")).status_code == 200

        await eventually(works)
    await client.aclose()


async def test_a_frozen_redis_is_503_for_requests_and_patience_for_streams(
    own_valkey: EmbeddedValkey, make_app: Callable[..., Any]
) -> None:
    client, stream = request_client(settings(own_valkey, 0.1)), subscriber_client(settings(own_valkey, 0.1))
    assert own_valkey.process
    async with served(make_app(router, redis=client)) as live:
        await live.client.get("/count")
        await stream.ping()
        own_valkey.process.send_signal(signal.SIGSTOP)
        try:
            waiting = asyncio.create_task(stream.ping())
            frozen = await live.client.get("/count")
            assert (frozen.status_code, frozen.json()["code"]) == (503, "redis_unavailable")
            assert not waiting.done()
        finally:
            own_valkey.process.send_signal(signal.SIGCONT)
        assert await waiting
    await client.aclose()
    await stream.aclose()


async def test_a_wrong_password_is_503(own_valkey: EmbeddedValkey, make_app: Callable[..., Any]) -> None:
    client = request_client(RedisSettings(redis_url=own_valkey.url, redis_password="hush-wrong"))
    async with served(make_app(router, redis=client)) as live:
        answer = await live.client.get("/count")
    assert answer.status_code == 503
    assert "hush" not in answer.text
    await client.aclose()


@pytest.mark.parametrize("path", ["/count", "/both"])
@pytest.mark.parametrize(
    "commands",
    [
        ["CONFIG SET min-replicas-to-write 1"],  # NOREPLICAS
        ["CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 1"],  # MASTERDOWN
    ],
)
async def test_a_redis_that_takes_nothing_now_is_503(
    own_valkey: EmbeddedValkey, make_app: Callable[..., Any], commands: list[str], path: str
) -> None:
    client = request_client(settings(own_valkey))
    for command in commands:
        await client.execute_command(*command.split())
    async with served(make_app(router, redis=client)) as live:
        answer = await live.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "redis_unavailable")
    await client.aclose()


@pytest.mark.parametrize("path", ["/count", "/both"])
async def test_a_redis_that_permits_nothing_is_503_and_the_log_says_why(
    own_valkey: EmbeddedValkey, make_app: Callable[..., Any], path: str, log_lines: Callable[[], Any]
) -> None:
    owner = request_client(settings(own_valkey))
    await owner.execute_command("ACL", "SETUSER", "gem", "on", ">hush", "~*", "+ping", "+multi", "+exec")
    client = request_client(
        RedisSettings(redis_url=own_valkey.url, redis_username="gem", redis_password="hush")
    )
    async with served(make_app(router, redis=client)) as live:
        answer = await live.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (503, "redis_unavailable")
    (line,) = [one for one in log_lines() if one["event"] == "request_failed"]
    assert "NoPermissionError" in line["cause"]
    assert "no permissions to run the" in line["cause"]
    await client.aclose()
    await owner.aclose()


async def test_a_redis_that_is_busy_with_a_script_is_503(
    own_valkey: EmbeddedValkey, make_app: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    client, other = request_client(settings(own_valkey)), subscriber_client(settings(own_valkey))
    await client.config_set("busy-reply-threshold", 1)
    endless = asyncio.create_task(other.eval("while true do end", 0))
    async with served(make_app(router, redis=client)) as live:

        async def answer() -> tuple[int, Any]:
            found = await live.client.get("/count")
            return found.status_code, found.json()

        async def is_refused() -> bool:
            return (await answer())[0] != 200

        await eventually(is_refused)
        status, problem = await answer()
        assert (status, problem["code"]) == (503, "redis_unavailable")
        await client.script_kill()
        with pytest.raises(redis.exceptions.ResponseError):
            await endless  # it is busy until then
        assert (await answer())[0] == 200
    await client.aclose()
    await other.aclose()


async def test_a_redis_whose_disk_is_full_is_unavailable() -> None:
    error = "MISCONF Errors writing to the AOF file: No space left on device"
    assert is_unavailable(redis.exceptions.ResponseError(error))
    assert not is_unavailable(redis.exceptions.ResponseError(f"ERR {error}"))


async def test_a_command_that_redis_refuses_is_our_mistake(
    redis_settings: dict[str, Any], make_app: Callable[..., Any]
) -> None:
    client = request_client(RedisSettings(**redis_settings))
    async with served(make_app(router, redis=client)) as live:
        assert (await live.client.get("/mistake")).status_code == 500
    await client.aclose()


async def test_tcp_connections_are_kept_alive() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and never listens: whoever connects is refused
        url = f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"
        client = request_client(RedisSettings(redis_url=url, redis_password="x"))
        assert client.connection_pool.connection_kwargs["socket_keepalive"]
        with pytest.raises(redis.exceptions.ConnectionError):
            await client.ping()
        await client.aclose()
