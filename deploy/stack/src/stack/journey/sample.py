"""Fills the marketplace with real diamonds, as a seller would: through the API.

`python -m stack.journey.sample --users URL --items URL` is the step that Docker Compose runs.
"""

import argparse
import asyncio
import contextlib
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx2
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from stack.journey.client import StepFailed
from stack.journey.diamonds import Diamond, diamonds
from stack.terminal import Terminal

SIZE = 60
AT_ONCE = 8
TRIES = 5
TIMEOUT = 15.0
READY_WITHIN = 20.0
PASSING = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class SampleSettings(BaseSettings):
    """`FACET_SAMPLE=0` starts with an empty marketplace."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    environment: str = "development"
    facet_sample: int | None = Field(
        default=None, ge=0, le=300, description="Listings to begin with. Unset: 60, and none in production."
    )

    @property
    def size(self) -> int:
        if self.facet_sample is not None:
            return self.facet_sample
        return SIZE if self.environment == "development" else 0


@dataclass(frozen=True)
class Market:
    """Where accounts and listings are: the gateway for both, or the two services themselves."""

    client: httpx2.AsyncClient
    users: str = ""
    items: str = ""


async def load_sample(market: Market, sample: list[Diamond]) -> None:
    """List each of `sample` for a new seller, a few at once. Raises StepFailed when one is refused."""
    email, password = f"seller-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe()
    account = {"email": email, "name": "A seller", "password": password}
    await _post(market, f"{market.users}/users", HTTPStatus.CREATED, json=account)
    form = {"username": email, "password": password}
    token = await _post(market, f"{market.users}/auth/token", HTTPStatus.OK, data=form)
    headers = {"Authorization": f"Bearer {token.json()['access_token']}"}
    turn = asyncio.Semaphore(AT_ONCE)

    async def list_one(diamond: Diamond) -> None:
        async with turn:
            url = f"{market.items}/items"
            await _post(market, url, HTTPStatus.CREATED, json=diamond.listing, headers=headers)

    await asyncio.gather(*map(list_one, sample))


async def load_if_empty(users: str, items: str, sample: list[Diamond]) -> int:
    """How many were listed: none if there are listings already. Raises StepFailed."""
    async with httpx2.AsyncClient(trust_env=False, timeout=TIMEOUT) as client:
        await _until_ready(client, users)
        await _until_ready(client, items)
        listed = await client.get(f"{items}/items", params={"limit": 1})
        if listed.headers.get("X-Total-Count") != "0":
            return 0
        await load_sample(Market(client, users, items), sample)
    return len(sample)


async def _until_ready(client: httpx2.AsyncClient, url: str) -> None:
    """Raises StepFailed if the service is not ready within READY_WITHIN seconds."""
    try:
        async with asyncio.timeout(READY_WITHIN):
            while True:
                with contextlib.suppress(httpx2.TransportError):
                    if (await client.get(f"{url}/ready")).is_success:
                        return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StepFailed(f"load the sample: {url} is not ready within {READY_WITHIN:g} s") from None


async def _post(market: Market, url: str, expect: HTTPStatus, **given: object) -> httpx2.Response:
    """Tries again later when told to."""
    for _ in range(TRIES):
        try:
            response = await market.client.post(url, **given)  # type: ignore[arg-type]  # passed on unchanged
        except httpx2.TransportError as error:
            raise StepFailed(f"load the sample: {type(error).__name__} {error}".rstrip()) from error
        if response.status_code not in PASSING:
            break
        await asyncio.sleep(float(response.headers.get("Retry-After", 1)))
    if response.status_code != expect:
        answer = f"{response.status_code} {response.text[:300]}"
        raise StepFailed(f"load the sample: POST {url} answered {answer}")
    return response


def main() -> None:
    """Ends with status 0 even if a listing is refused: the system works without a sample."""
    parser = argparse.ArgumentParser(prog="python -m stack.journey.sample", description=__doc__)
    parser.add_argument("--users", required=True, metavar="URL", help="where accounts are made")
    parser.add_argument("--items", required=True, metavar="URL", help="where diamonds are listed")
    parser.add_argument("--diamonds", type=Path, metavar="CSV", help="else deploy/diamonds.csv")
    given = parser.parse_args()
    terminal = Terminal()
    sample = diamonds(given.diamonds)[: SampleSettings().size]
    try:
        loaded = asyncio.run(load_if_empty(given.users, given.items, sample)) if sample else 0
    except StepFailed as error:
        terminal.bad(str(error))
    else:
        terminal.line(f"{loaded} real diamonds listed")


if __name__ == "__main__":
    main()
