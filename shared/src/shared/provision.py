"""Makes a role and a database for each service: `python -m shared.provision users items`.

Safe to run again: what exists is brought to the same state, passwords included.
"""

import argparse
import asyncio
import os
import re
from pathlib import Path
from urllib.parse import quote

import asyncpg

CONNECTIONS = 40
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


async def provision(admin_url: str, passwords: dict[str, str], connections: int = CONNECTIONS) -> None:
    """A role and a database of that name for each of `passwords`; nobody else may connect to it.

    `connections` is the most that a role may open, which the services check their workers against.
    Raises ValueError for a name that would have to be quoted.
    """
    for name in passwords:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name for a role and a database: {name!r}")
    admin = await asyncpg.connect(admin_url)
    try:
        for name, password in passwords.items():
            await _role(admin, name, password, connections)
            await _database(admin, name)
        # By default every role may connect to the databases that every cluster has, and none needs them.
        await admin.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
    finally:
        await admin.close()


async def _role(
    admin: "asyncpg.Connection[asyncpg.Record]", name: str, password: str, connections: int
) -> None:
    if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await admin.execute(f'CREATE ROLE "{name}"')
    quoted = await admin.fetchval("SELECT quote_literal($1::text)", password)
    await admin.execute(f'ALTER ROLE "{name}" LOGIN CONNECTION LIMIT {connections} PASSWORD {quoted}')


async def _database(admin: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    await admin.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m shared.provision", description=__doc__)
    parser.add_argument("names", nargs="+", metavar="NAME", help="a role and database")
    parser.add_argument(
        "--secrets", type=Path, required=True, help="folder that holds NAME/NAME_database_password"
    )
    parser.add_argument(
        "--host", default=os.environ.get("PGHOST", "127.0.0.1"), help="address or socket folder"
    )
    parser.add_argument("--password-file", type=Path, required=True, help="the superuser's")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="the most a role may open")
    given = parser.parse_args()
    try:
        passwords = {
            name: (given.secrets / name / f"{name}_database_password").read_text().strip()
            for name in given.names
        }
        password = quote(given.password_file.read_text().strip(), safe="")
        url = f"postgresql://postgres:{password}@/postgres?host={quote(given.host, safe='')}"
        asyncio.run(provision(url, passwords, given.connections))
    except (OSError, ValueError, asyncpg.PostgresError) as error:
        raise SystemExit(f"nothing provisioned: {error}") from None


if __name__ == "__main__":
    main()
