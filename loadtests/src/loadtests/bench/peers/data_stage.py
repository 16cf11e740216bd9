"""Postgres with listings, for our data service and its peers; runs where our services are installed.

`python data_stage.py FOLDER ROWS` starts it, migrates, fills the database, writes `data.json` and waits.
"""

import asyncio
import json
import secrets
import signal
import sys
from pathlib import Path

import asyncpg

import items
from shared.embedded import EmbeddedPostgres
from shared.migrations import upgrade
from shared.provision import provision
from shared.settings import DatabaseSettings

# One listing in four is no diamond, as little text as most have.
LISTINGS = """
INSERT INTO items (name, description, price, currency, features, owner_id, created_at, updated_at)
SELECT 'Round diamond ' || n, repeat('With a certificate. ', (n % 5)::int),
  100 + (n * 7919) % 100000 / 10.0, 'USD',
  CASE WHEN n % 4 > 0 THEN jsonb_build_object(
    'carat', 0.2 + (n % 300) / 100.0,
    'cut', (ARRAY['Fair', 'Good', 'Very Good', 'Premium', 'Ideal'])[n % 5 + 1],
    'color', (ARRAY['J', 'I', 'H', 'G', 'F', 'E', 'D'])[n % 7 + 1],
    'clarity', (ARRAY['I1', 'SI2', 'SI1', 'VS2', 'VS1', 'VVS2', 'VVS1', 'IF'])[n % 8 + 1],
    'depth', 61.8, 'table', 57.0, 'x', 5.74, 'y', 5.77, 'z', 3.56) END,
  n % 1000 + 1, now() - n * interval '1 second', now() - n * interval '1 second'
FROM generate_series(1, $1::bigint) AS n
"""
# The template keeps its accounts beside its listings. Nobody signs in here.
PEOPLE = """
CREATE TABLE "user" (id bigserial PRIMARY KEY, email text UNIQUE NOT NULL, full_name text,
  hashed_password text NOT NULL, is_active bool NOT NULL DEFAULT true,
  is_superuser bool NOT NULL DEFAULT false);
INSERT INTO "user" (email, full_name, hashed_password)
SELECT 'person' || n || '@example.com', 'Person ' || n, repeat('0', 97) FROM generate_series(1, 1000) AS n
"""


async def fill(url: str, rows: int) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(LISTINGS, rows, timeout=900)
    await connection.execute(PEOPLE)
    await connection.execute("VACUUM ANALYZE", timeout=900)
    await connection.close()


def main() -> None:
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    server = EmbeddedPostgres(folder / "postgres", secrets.token_urlsafe(), folder / "postgres.log")
    server.start()
    try:
        password = secrets.token_urlsafe()
        asyncio.run(provision(server.admin_url, {"items": password}))
        url = server.url("items", "items")
        upgrade(
            Path(items.__file__).parent / "migrations",
            DatabaseSettings(database_url=url, database_password=password),
        )
        plain = f"postgresql://items:{password}@/items?host={server.socket_folder}"
        asyncio.run(fill(plain, rows))
        ready = folder / "data.json.part"
        ready.write_text(json.dumps({"url": url, "password": password, "plain": plain, "rows": rows}))
        ready.rename(folder / "data.json")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        server.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
