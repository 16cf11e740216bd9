"""A service behind links that fail, and clients that keep asking it meanwhile."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx2
from sqlalchemy import text

from shared.database import Database
from shared.testing.link import Link

DEADLINE = 10.0  # seconds that the gateway waits for an answer
CLIENTS = 3  # for each kind of request
PAUSE = 0.01  # seconds between an answer and the client's next request: a 503 comes at once

ENOUGH = 2 * CLIENTS  # answers of a kind after which every client has probably asked again
Ask = Callable[[], Awaitable[httpx2.Response]]
FAULTS: dict[str, Callable[[Link], Awaitable[None]]] = {
    "stopped": Link.refuse,
    "slow": lambda link: link.slow(2.0),
    "cut": Link.cut,
}


@dataclass
class Asked:
    """What the clients of one kind of request have seen: statuses, and codes of problems."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: set[str] = field(default_factory=set)
    unanswered: list[str] = field(default_factory=list)
    answered: int = 0

    @property
    def enough(self) -> bool:
        return self.answered >= ENOUGH

    def forget(self) -> None:
        self.statuses, self.codes, self.unanswered, self.answered = Counter(), set(), [], 0


@contextlib.asynccontextmanager
async def asked_all_the_time(*kinds: Ask) -> AsyncIterator[Sequence[Asked]]:
    """Some clients for each kind of request ask again and again for as long as the block runs."""
    seen = [Asked() for _ in kinds]
    stopping = asyncio.Event()
    async with asyncio.TaskGroup() as clients:
        for ask, asked in zip(kinds, seen, strict=True):
            for _ in range(CLIENTS):
                clients.create_task(_keep_asking(ask, asked, stopping))
        try:
            yield seen
        finally:
            stopping.set()


async def idle_only(database: Database, application_name: str, most: int) -> bool:
    """True if none of the application's connections is held, and there are no more than it may have."""
    ours = text("SELECT state FROM pg_stat_activity WHERE application_name = :name")
    states = await database.autocommit.scalars(ours, {"name": application_name})
    return set(states) <= {"idle"} and len(states) <= most


async def _keep_asking(ask: Ask, asked: Asked, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await asyncio.sleep(PAUSE)
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await ask()
        except (TimeoutError, httpx2.TransportError) as error:
            asked.unanswered.append(repr(error))
            continue
        asked.statuses[answer.status_code] += 1
        if answer.headers.get("content-type") == "application/problem+json":
            asked.codes.add(answer.json()["code"])
        asked.answered += 1
