"""The service as a process of its own, and what it says about itself."""

import asyncio
import inspect
import signal
import socket
import sys
import time

import httpx2
import pytest

from users.routes import ROUTERS
from users.schemas import Registration

ROUTES = {
    "/users": {"get", "post"},
    "/users/me": {"get", "patch", "delete"},
    "/users/me/sessions": {"get", "delete"},
    "/users/me/sessions/{session_id}": {"delete"},
    "/users/me/api-keys": {"get", "post"},
    "/users/me/api-keys/{key_id}": {"delete"},
    "/audit-events": {"get"},
    "/users/{user_id}": {"get", "patch", "delete"},
    "/auth/token": {"post"},
    "/auth/refresh": {"post"},
    "/auth/logout": {"post"},
    "/auth/password/forgotten": {"post"},
    "/auth/password/reset": {"post"},
    "/auth/email/verification": {"post"},
    "/auth/email/confirm": {"post"},
    "/users/me/email": {"post"},
    "/.well-known/jwks.json": {"get"},
    "/health": {"get"},
    "/ready": {"get"},
}


async def test_the_schema_shows_what_is_public_and_nothing_else(client):
    schema = (await client.get("/openapi.json")).json()
    assert {path: set(operations) for path, operations in schema["paths"].items()} == ROUTES
    [scheme] = schema["components"]["securitySchemes"].values()
    assert scheme["flows"]["password"]["tokenUrl"] == "/auth/token"


async def test_what_is_public_asks_for_no_token_in_the_schema(client):
    paths = (await client.get("/openapi.json")).json()["paths"]
    public = {
        f"{method} {path}"
        for path, operations in paths.items()
        for method, operation in operations.items()
        if "security" not in operation
    }
    assert public == {
        "post /users",
        "post /auth/token",
        "post /auth/refresh",
        "post /auth/password/forgotten",
        "post /auth/password/reset",
        "post /auth/email/verification",
        "post /auth/email/confirm",
        "get /.well-known/jwks.json",
        "get /health",
        "get /ready",
    }


@pytest.fixture
async def process(environment, tmp_path):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    log = tmp_path / "log"
    with log.open("wb") as output:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "users"),
            env={**environment, "USERS_PORT": str(port), "USERS_WORKERS": "1", "USERS_LOG_LEVEL": "debug"},
            stdout=output,
            stderr=output,
        )
    yield started, f"http://127.0.0.1:{port}", log
    if started.returncode is None:
        started.kill()
        await started.wait()


async def answered(client, process):
    end = time.monotonic() + 60
    while process.returncode is None and time.monotonic() < end:
        try:
            return await client.get("/ready")
        except httpx2.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("it never answered")


async def test_no_credential_reaches_the_log(process, people):
    started, url, log = process
    wanted = people.account(password="never to be logged", name="Mallory")
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
        assert (await answered(client, started)).status_code == 200
        person = await type(people)(client, None).sign_up(
            **{**wanted, "password": people.account()["password"]}
        )
        await client.post("/users", json=wanted)
        await client.post("/users", json={**wanted, "email": "nobody"})
        await client.post("/auth/token", data={"username": wanted["email"], "password": wanted["password"]})
        key = (await person.make_key())["key"]
        with_key = (await person.exchange(key)).json()
        renewed = (await person.refresh()).json()
        renewed_again = (await person.refresh(renewed["refresh_token"])).json()
        await person.refresh()
    started.send_signal(signal.SIGTERM)
    assert await started.wait() == 0
    written = log.read_text()
    assert "user_registered" in written
    assert "refresh_token_reused" in written
    tokens = [
        *person.tokens.values(),
        *renewed.values(),
        *renewed_again.values(),
        with_key["access_token"],
        key,
    ]
    for secret in (wanted["password"], wanted["email"], "argon2id", *tokens):
        assert isinstance(secret, int) or secret == "bearer" or secret not in written


async def test_examples_are_shown_and_right(client):
    shown = (await client.get("/openapi.json")).json()["components"]["schemas"]["Registration"]["properties"]
    Registration.model_validate({name: field["examples"][0] for name, field in shown.items()})


def test_no_route_waits_for_a_thread():
    """FastAPI runs what is no coroutine in a pool that is shared with everything else."""
    waiting = [
        dependency.call
        for router in ROUTERS
        for route in router.routes
        for dependency in _all(route.dependant)
        if dependency.call is not None and not inspect.iscoroutinefunction(dependency.call)
    ]
    assert [call for call in waiting if call.__module__.startswith("users")] == []
    assert all(inspect.iscoroutinefunction(route.endpoint) for router in ROUTERS for route in router.routes)


def _all(dependant):
    yield dependant
    for one in dependant.dependencies:
        yield from _all(one)
