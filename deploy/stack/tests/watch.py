"""Asks every service with many tokens, on a new connection each time, and notes each wrong answer.

A token that is good must never be refused, and one whose session has ended must never be accepted again.
"""

import asyncio
import contextlib
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2

from shared.testing.waiting import becomes
from stack.testing import Demo

REFUSED = {401, 403}
KNOWN_WITHIN = 1.0  # seconds until every worker knows of a session that has ended
ROW = {"carat": 0.71, "cut": "Ideal", "color": "G", "clarity": "SI1", "depth": 61.8, "table": 57}
DIAMOND = {**ROW, "x": 5.74, "y": 5.77, "z": 3.56}


@dataclass
class Credential:
    """A token or an API key; `ended_at` is when `users` confirmed its end."""

    headers: dict[str, str]
    ended_at: float | None = None


@dataclass
class Seen:
    asked: Counter[str] = field(default_factory=Counter)
    accepted_ended: list[str] = field(default_factory=list)
    refused_good: list[str] = field(default_factory=list)
    unavailable: Counter[int] = field(default_factory=Counter)


class Watch:
    def __init__(self, demo: Demo) -> None:
        self.seen = Seen()
        self.credentials: list[Credential] = []
        self._demo = demo
        self._turn = 0
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=0)
        self.client = httpx2.AsyncClient(base_url=demo.gateway, trust_env=False, timeout=30, limits=limits)

    async def __aenter__(self) -> "Watch":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def person(self, name: str) -> Credential:
        """A new account, signed in."""
        email, password = f"{name}-{uuid.uuid4().hex}@example.com", "correct horse battery"
        account = {"email": email, "name": "Ada", "password": password}
        (await self.client.post("/users", json=account)).raise_for_status()
        form = {"username": email, "password": password}
        answer = (await self.client.post("/auth/token", data=form)).raise_for_status()
        return self._watched({"Authorization": f"Bearer {answer.json()['access_token']}"})

    async def key(self, owner: Credential) -> tuple[Credential, int]:
        """A new API key, and its number."""
        answer = await self.client.post("/users/me/api-keys", json={"name": "script"}, headers=owner.headers)
        made = answer.raise_for_status().json()
        return self._watched({"X-API-Key": made["key"]}), made["id"]

    def _watched(self, headers: dict[str, str]) -> Credential:
        credential = Credential(headers)
        self.credentials.append(credential)
        return credential

    async def end(self, credential: Credential) -> None:
        """Sign out, as often as it takes: without Redis the answer is 503."""

        async def sign_out() -> int:
            return (await self.client.post("/auth/logout", headers=credential.headers)).status_code

        await becomes(sign_out, 204, seconds=60)
        credential.ended_at = time.monotonic()

    async def revoke(self, owner: Credential, key: tuple[Credential, int]) -> None:
        credential, number = key
        path = f"/users/me/api-keys/{number}"
        (await self.client.delete(path, headers=owner.headers)).raise_for_status()
        credential.ended_at = time.monotonic()

    async def turns(self, number: int) -> None:
        """Returns when each credential was tried at each service `number` times more."""
        wanted = self._turn + number * len(self.credentials) * 5
        await becomes(lambda: self._turn >= wanted, seconds=120)

    @contextlib.asynccontextmanager
    async def asking(self, at_a_time: int = 8) -> AsyncIterator[Seen]:
        """Asks for as long as the block runs."""
        stopping = asyncio.Event()

        async def run() -> None:
            while not stopping.is_set():
                self._turn += 1
                rounds, position = divmod(self._turn, len(self.credentials))
                await self.ask(self.credentials[position], rounds)

        tasks = [asyncio.create_task(run()) for _ in range(at_a_time)]
        try:
            yield self.seen
        finally:
            stopping.set()
            await asyncio.gather(*tasks)

    async def ask(self, credential: Credential, turn: int) -> None:
        requests = self._requests(credential)
        request = requests[turn % len(requests)]
        began, ended_at = time.monotonic(), credential.ended_at
        status = (await self.client.send(request)).status_code
        what = f"{request.method} {request.url}: {status}"
        if ended_at is None:
            self.seen.asked["good"] += 1
            if status in REFUSED and credential.ended_at is None:
                self.seen.refused_good.append(what)
        elif began > ended_at + KNOWN_WITHIN:
            self.seen.asked["ended"] += 1
            if status not in {401, 503}:
                self.seen.accepted_ended.append(what)
        if status >= 500:
            self.seen.unavailable[status] += 1

    def _requests(self, credential: Credential) -> list[httpx2.Request]:
        """Each needs a good token and changes nothing; a service itself knows no API key."""
        places = [self._demo.gateway, *(self._url(name) for name in ("USERS", "ITEMS", "ML_PREDICT"))]
        asked = [
            ("GET", f"{places[0]}/users/me", None),
            ("PATCH", f"{places[0]}/items/{2**40}", {"name": "nothing"}),
            ("GET", f"{places[1]}/users/me", None),
            ("PATCH", f"{places[2]}/items/{2**40}", {"name": "nothing"}),
            ("POST", f"{places[3]}/predict", {"instances": [DIAMOND]}),
        ]
        known = asked[:2] if "X-API-Key" in credential.headers else asked
        return [
            self.client.build_request(method, url, json=body, headers=credential.headers)
            for method, url, body in known
        ]

    def _url(self, service: str) -> str:
        return f"http://127.0.0.1:{self._demo.ports[f'{service}_PORT']}"
