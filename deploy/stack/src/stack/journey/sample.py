"""Fills the marketplace with real diamonds, the way a seller would: through the API."""

import asyncio
import secrets
from http import HTTPStatus

import httpx2

from stack.journey.diamonds import Diamond
from stack.journey.traveller import StepFailed

AT_ONCE = 8
TRIES = 5
PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


async def load_sample(client: httpx2.AsyncClient, sample: list[Diamond]) -> None:
    """List each of `sample` for a new seller, a few at once. Raises StepFailed when one is refused."""
    email, password = f"seller-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe()
    account = {"email": email, "name": "A seller", "password": password}
    await _post(client, "/users", HTTPStatus.CREATED, json=account)
    form = {"username": email, "password": password}
    token = (await _post(client, "/auth/token", HTTPStatus.OK, data=form)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    turn = asyncio.Semaphore(AT_ONCE)

    async def list_one(diamond: Diamond) -> None:
        async with turn:
            await _post(client, "/items", HTTPStatus.CREATED, json=diamond.listing, headers=headers)

    await asyncio.gather(*map(list_one, sample))


async def _post(
    client: httpx2.AsyncClient, path: str, expect: HTTPStatus, **given: object
) -> httpx2.Response:
    """Comes back later when told so: a full system is no broken one."""
    for _ in range(TRIES):
        try:
            response = await client.post(path, **given)  # type: ignore[arg-type]  # passed on as they came
        except httpx2.TransportError as error:
            raise StepFailed(f"load the sample: {type(error).__name__} {error}".rstrip()) from error
        if response.status_code not in PASSING:
            break
        await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
    if response.status_code != expect:
        answer = f"{response.status_code} {response.text[:300]}"
        raise StepFailed(f"load the sample: POST {path} answered {answer}")
    return response
