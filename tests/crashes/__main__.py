"""Runs seeded schedules: `python -m tests.crashes --schedules 1000 --first 0`. The last line is JSON."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.crashes.schedule import Lives, Schedule
from tests.crashes.world import Actors, World, world

TIDY = 200  # schedules after which what they left is deleted
LOOK = 100


def run(first: int, schedules: int) -> dict[str, float]:
    """Raises AssertionError with the seed in its notes."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder, world(Path(folder)) as servers:
        loop = asyncio.new_event_loop()
        lives, actors = Lives(servers, loop), loop.run_until_complete(made(servers))
        begun = time.monotonic()
        for seed in range(first, first + schedules):
            try:
                Schedule(seed, actors, lives).run()
            except BaseException as error:
                error.add_note(f"in the schedule with the seed {seed}")
                raise
            if seed % TIDY == TIDY - 1:
                lives.here(tidy(actors))
            if seed % LOOK == LOOK - 1:
                done = seed - first + 1
                print(f"{done} schedules, {lives.deaths} deaths", file=sys.stderr, flush=True)  # noqa: T201 - its progress
        elapsed = time.monotonic() - begun
        lives.here(actors.close())
        loop.close()
    return {
        "schedules": schedules,
        "processes": lives.processes,
        "deaths": lives.deaths,
        "schedules_per_second": round(schedules / elapsed, 2),
    }


async def made(servers: World) -> Actors:
    return Actors(servers)


async def tidy(actors: Actors) -> None:
    """So that the last schedule is as fast as the first."""
    async with actors.users_database.transaction() as connection:
        await connection.command("TRUNCATE users, sessions, ended_sessions, audit_events CASCADE")
        await connection.command("DELETE FROM outbox WHERE position IS NOT NULL")
    async with actors.items_database.transaction() as connection:
        await connection.command("TRUNCATE items, owners, outbox, idempotency_keys")
    await actors.redis.flushdb()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    given = parser.parse_args()
    print(json.dumps(run(given.first, given.schedules)))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
