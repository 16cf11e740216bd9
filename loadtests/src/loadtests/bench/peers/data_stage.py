"""Postgres with listings, for our data service and its peers; runs where our services are installed.

`python data_stage.py FOLDER ROWS SESSIONS` starts it, migrates, fills the databases, writes `data.json` and
waits.
"""

import asyncio
import json
import secrets
import signal
import sys
from pathlib import Path
from types import ModuleType

import asyncpg
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

import items
import users
from shared.embedded import EmbeddedPostgres
from shared.migrations import upgrade
from shared.provision import provision
from shared.settings import DatabaseSettings
from users.argon2 import LANES, MEMORY_KIB, PASSES
from users.credentials import RefreshToken, digest

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
# The template keeps its accounts beside its listings.
TABLE = """
CREATE TABLE "user" (id bigserial PRIMARY KEY, email text UNIQUE NOT NULL, full_name text,
  hashed_password text NOT NULL, is_active bool NOT NULL DEFAULT true,
  is_superuser bool NOT NULL DEFAULT false)
"""
PEOPLE = """
INSERT INTO "user" (email, full_name, hashed_password)
SELECT 'person' || n || '@example.com', 'Person ' || n, $1 FROM generate_series(1, 1000) AS n
"""
ACCOUNTS = """
INSERT INTO users (email, name, password_hash)
SELECT 'person' || n || '@example.com', 'Person ' || n, $1 FROM generate_series(1, 1000) AS n
"""


SESSION = """
INSERT INTO sessions (id, user_id, family_digest, refresh_digest, expires_at)
VALUES ($1, $2, $3, $4, now() + interval '1 day')
"""
BARE_SESSIONS = "CREATE TABLE bare_sessions (digest bytea PRIMARY KEY, user_id bigint NOT NULL)"


async def fill(items_url: str, users_url: str, rows: int, tokens: list[RefreshToken]) -> None:
    hashed = PasswordHash((Argon2Hasher(PASSES, MEMORY_KIB, LANES),)).hash("correct horse battery staple")
    listings = await asyncpg.connect(items_url)
    await listings.execute(LISTINGS, rows, timeout=900)
    await listings.execute(TABLE)
    await listings.execute(PEOPLE, hashed)
    await listings.execute(BARE_SESSIONS)
    bare = [(digest(token.text), place % 1000 + 1) for place, token in enumerate(tokens)]
    await listings.executemany("INSERT INTO bare_sessions VALUES ($1, $2)", bare)
    await listings.execute("VACUUM ANALYZE", timeout=900)
    await listings.close()
    accounts = await asyncpg.connect(users_url)
    await accounts.execute(ACCOUNTS, hashed)
    sessions = [
        (str(place), place % 900 + 101, digest(token.family), digest(token.secret))  # the first 100 log in
        for place, token in enumerate(tokens)
    ]
    await accounts.executemany(SESSION, sessions)
    await accounts.execute("VACUUM ANALYZE")
    await accounts.close()


def _migrated(service: ModuleType, server: EmbeddedPostgres, password: str) -> str:
    """The URL of the service's database."""
    url = server.url(service.__name__, service.__name__)
    settings = DatabaseSettings(database_url=url, database_password=password)
    upgrade(Path(str(service.__file__)).parent / "migrations", settings)
    return url


def main() -> None:
    folder, rows, sessions = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    tokens = [RefreshToken.new() for _ in range(sessions)]
    server = EmbeddedPostgres(folder / "postgres", secrets.token_urlsafe(), folder / "postgres.log")
    server.start()
    try:
        password = secrets.token_urlsafe()
        asyncio.run(provision(server.admin_url, {"items": password, "users": password}))
        urls = {service.__name__: _migrated(service, server, password) for service in (items, users)}
        plain, accounts = (
            f"postgresql://{name}:{password}@/{name}?host={server.socket_folder}" for name in urls
        )
        asyncio.run(fill(plain, accounts, rows, tokens))
        ready = folder / "data.json.part"
        found = {"url": urls["items"], "users_url": urls["users"], "password": password}
        texts = [token.text for token in tokens]
        ready.write_text(json.dumps({**found, "plain": plain, "rows": rows, "refresh_tokens": texts}))
        ready.rename(folder / "data.json")
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
    finally:
        server.stop()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
