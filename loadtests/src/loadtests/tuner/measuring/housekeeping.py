"""What is done with the databases of a first start, of which every later one gets a copy.

Postgres' housekeeping comes at once: else it comes a minute after a start, in the middle of loads.
Without statistics a list by price with a filter is sorted as a whole; with them it is read from an index. So
the same start would do more in its second minute than in its first, or less.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from loadtests.bench.environment import ROOT
from loadtests.tuner.model import RollOutFailed

STATEMENT = "VACUUM (ANALYZE)"
_SOCKET = 4  # line of Postgres' own note on what runs, from 0
_TIMEOUT = 60.0  # seconds
_PROGRAM = f"""
import asyncio, sys, asyncpg
async def keep_house(host, password, *databases):
    for name in databases:
        database = await asyncpg.connect(host=host, user="postgres", password=password, database=name)
        await database.execute("{STATEMENT}")
        await database.close()
asyncio.run(keep_house(sys.argv[1], sys.stdin.read(), *sys.argv[2:]))
"""


def keep_house(data: Path, *databases: str) -> None:
    """Of the embedded stack that runs in this folder. Raises RollOutFailed."""
    try:
        socket = (data / "postgres" / "postmaster.pid").read_text().splitlines()[_SOCKET]
        subprocess.run(  # noqa: S603 - our own program
            [str(ROOT / ".venv/bin/python"), "-c", _PROGRAM, socket, *databases],
            input=next(data.glob("*/postgres/postgres_password")).read_text().strip(),
            capture_output=True, text=True, timeout=_TIMEOUT, check=True,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        last = error.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise RollOutFailed(f"the statistics of the databases were not made: {last[0]}") from error
    except (OSError, subprocess.TimeoutExpired, IndexError, StopIteration) as error:
        raise RollOutFailed(f"the statistics of the databases were not made: {error!r}") from error


def copied(source: str, name: str) -> Sequence[str]:
    """Statements; both are the service's own, and nobody may be connected to the source."""
    owner = name.removesuffix("_first")
    return (
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE)",
        f"CREATE DATABASE {name} TEMPLATE {source} OWNER {owner}",
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
    )
