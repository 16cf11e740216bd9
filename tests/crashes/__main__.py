"""Runs seeded schedules: `python -m tests.crashes --schedules 1000 --first 0`. The last line is JSON.

With `--seconds` it stops after that time; `next` is the seed with which to go on.
"""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from pathlib import Path

from tests.crashes.actors import Actors
from tests.crashes.lives import Lives
from tests.crashes.schedule import Schedule
from tests.crashes.world import World, world

TIDY = 200  # schedules after which what they left is deleted
LOOK = 100


def run(first: int, schedules: int, seconds: float = math.inf) -> dict[str, float]:
    """Raises AssertionError with the seed in its notes."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder, world(Path(folder)) as servers:
        loop = asyncio.new_event_loop()
        lives, actors = Lives(servers, loop), loop.run_until_complete(made(servers))
        begun, seed = time.monotonic(), first
        while seed < first + schedules and time.monotonic() < begun + seconds:
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
            seed += 1
        elapsed = time.monotonic() - begun
        lives.here(actors.close())
        loop.close()
    return {
        "schedules": seed - first,
        "next": seed,
        "processes": lives.processes,
        "deaths": lives.deaths,
        "schedules_per_second": round((seed - first) / elapsed, 2),
    }


async def made(servers: World) -> Actors:
    return Actors(servers)


async def tidy(actors: Actors) -> None:
    """So that the last schedule is as fast as the first."""
    async with actors.users_database.transaction() as connection:
        await connection.command("TRUNCATE users, sessions, ended_sessions, audit_events CASCADE")
        await connection.command("DELETE FROM outbox WHERE position IS NOT NULL")
    async with actors.items_database.transaction() as connection:
        await connection.command(
            "TRUNCATE items, owners, outbox, idempotency_keys, imports, import_errors, appraisals"
        )
    await actors.redis.flushdb()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, default=math.inf, help="begin no schedule after that")
    given = parser.parse_args()
    print(json.dumps(run(given.first, given.schedules, given.seconds)))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
