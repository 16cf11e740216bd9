"""People who behave well, while something happens to the system: none of their requests may be lost."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx2

from shared.testing.steady_load import SteadyLoad, steady_load
from stack.testing import Demo

Loads = dict[str, SteadyLoad]


@contextlib.asynccontextmanager
async def well_behaved(demo: Demo, clients: int = 4) -> AsyncIterator[Loads]:
    """Readers and writers, on connections that they keep."""
    token = await _signed_in(demo)
    as_json = {**token, "Content-Type": "application/json"}
    listing = json.dumps({"name": "listed under load", "price": "1.00"}).encode()
    async with AsyncExitStack() as stack:

        async def begin(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> SteadyLoad:
            port = int(demo.ports["GATEWAY_PORT"])
            made = steady_load(port, path, method=method, headers=headers, body=body, clients=clients)
            return await stack.enter_async_context(made)

        yield {
            "list": await begin("GET", "/items?limit=5", {}),
            "me": await begin("GET", "/users/me", token),
            "create": await begin("POST", "/items", as_json, listing),
        }


async def _signed_in(demo: Demo) -> dict[str, str]:
    account = {"email": "load@example.com", "password": "correct horse battery"}
    async with httpx2.AsyncClient(base_url=demo.gateway, trust_env=False, timeout=30) as client:
        await client.post("/users", json={**account, "name": "Load"})
        form = {"username": account["email"], "password": account["password"]}
        answer = (await client.post("/auth/token", data=form)).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def answered(loads: Loads) -> dict[str, int]:
    return {name: load.answered for name, load in loads.items()}


def lost(loads: Loads) -> list[str]:
    return [f"{name}: {failure}" for name, load in loads.items() for failure in load.failures]
