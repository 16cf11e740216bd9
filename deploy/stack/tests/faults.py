"""What can happen to Redis, to the signing key and to the workers of a running stack."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator

import httpx2
import jwt
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.testing.waiting import becomes
from stack.catalogue import services
from stack.running import running
from stack.testing import Demo

from .watch import Credential, Watch

PACKAGES = [service.package for service in services().values()]


def all_workers(demo: Demo) -> dict[int, str]:
    """With the package that each runs."""
    return {worker: package for package in PACKAGES for worker in demo.workers(package)}


async def reload(demo: Demo) -> None:
    """SIGHUP for all services at once. Returns when every worker is a new one, but those of the gateway.

    They take routes and upstreams anew where they are.
    """
    before = all_workers(demo)
    replaced = {worker for worker, package in before.items() if package != "gateway"}
    for package in PACKAGES:
        os.kill(demo.master(package), signal.SIGHUP)

    def all_new() -> bool:
        now = all_workers(demo).keys()
        return len(now) == len(before) and now.isdisjoint(replaced)

    await becomes(all_new, seconds=60)
    async with httpx2.AsyncClient(base_url=demo.gateway, trust_env=False, timeout=30) as client:
        await becomes(lambda: _is_ready(client), seconds=60)


async def _is_ready(client: httpx2.AsyncClient) -> bool:
    checks = (await client.get("/ready")).json()["checks"]
    return all(check["ok"] for check in checks.values())


async def flush(demo: Demo, _: Watch) -> None:
    async with _redis(demo) as redis:
        await redis.flushall()


async def restart_empty(demo: Demo, _: Watch) -> None:
    valkey = demo.process_of("valkey-server")
    demo.process.send_signal(signal.SIGSTOP)  # the supervisor must not start it again too early
    os.kill(valkey, signal.SIGKILL)
    shutil.rmtree(demo.folder / "valkey" / "appendonlydir")
    demo.process.send_signal(signal.SIGCONT)
    async with _redis(demo) as redis:
        await becomes(lambda: _answers(redis))


async def pause(demo: Demo, watch: Watch, seconds: float = 10.0) -> None:
    """Somebody signs out meanwhile."""
    leaving = await watch.person("leaving")
    valkey = demo.process_of("valkey-server")
    os.kill(valkey, signal.SIGSTOP)
    try:
        sign_out = asyncio.create_task(watch.end(leaving))
        await asyncio.sleep(seconds)
    finally:
        os.kill(valkey, signal.SIGCONT)
    await sign_out


async def short_pause(demo: Demo, watch: Watch) -> None:
    await pause(demo, watch, 0.5)


async def rotate(demo: Demo, _: Watch) -> None:
    command = (sys.executable, "-m", "stack.inside", "users", "users.rotate")
    process = await asyncio.create_subprocess_exec(*command, env=demo.environment)
    assert await process.wait() == 0


async def rotate_until_the_new_key_signs(demo: Demo, watch: Watch) -> None:
    old = _key_id(await watch.person("before"))
    await rotate(demo, watch)

    async def signs() -> bool:
        return _key_id(await watch.person("meanwhile")) != old

    await becomes(signs, seconds=300)


def _key_id(credential: Credential) -> str:
    header = jwt.get_unverified_header(credential.headers["Authorization"].removeprefix("Bearer "))
    return str(header["kid"])


@contextlib.asynccontextmanager
async def _redis(demo: Demo) -> AsyncIterator[Redis]:
    """As the administrator of Redis."""
    environments = running(demo.folder)
    assert environments is not None
    password = (demo.folder / "secrets" / "redis" / "redis_password").read_text().strip()
    async with Redis.from_url(environments["users"]["USERS_REDIS_URL"], password=password) as redis:
        yield redis


async def _answers(redis: Redis) -> bool:
    with contextlib.suppress(RedisError):
        return bool(await redis.ping())
    return False
