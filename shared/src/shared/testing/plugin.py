"""pytest fixtures: embedded Postgres and Valkey, databases like the real ones, an identity.

Imports stand in the fixtures: a plugin is loaded before anything is measured or configured.
"""

import asyncio
import contextlib
import secrets
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from shared.embedded import EmbeddedPostgres, EmbeddedValkey
    from shared.testing.contracts import Contracts
    from shared.testing.tokens import TestIdentity


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Not pytest's own: as root Postgres runs as another user, who may not pass through those."""
    with tempfile.TemporaryDirectory(prefix="facet-test-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def embedded_postgres() -> "Iterator[EmbeddedPostgres]":
    from shared.embedded import EmbeddedPostgres  # noqa: PLC0415 - see the module

    with _folder() as folder:
        server = EmbeddedPostgres(folder / "data", secrets.token_urlsafe(), folder / "log", durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def embedded_valkey() -> "Iterator[EmbeddedValkey]":
    from shared.embedded import EmbeddedValkey  # noqa: PLC0415 - see the module

    with _folder() as folder:
        server = EmbeddedValkey(folder / "data", secrets.token_urlsafe(), folder / "log")
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def make_database(embedded_postgres: "EmbeddedPostgres") -> Callable[..., dict[str, Any]]:
    """`make_database("items", folder)` gives `database_url` and `database_password`.

    The database is migrated, and owned by a role of its name, as the real ones are.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - see the module

    from shared.migrations import upgrade  # noqa: PLC0415 - see the module
    from shared.provision import provision  # noqa: PLC0415 - see the module
    from shared.settings import DatabaseSettings  # noqa: PLC0415 - see the module

    def make(name: str, migrations: Path | None = None) -> dict[str, Any]:
        password = secrets.token_urlsafe()
        given = {"database_url": embedded_postgres.url(name, name), "database_password": password}

        def prepare() -> None:
            asyncio.run(provision(embedded_postgres.admin_url, {name: password}))
            if migrations is not None:
                upgrade(migrations, DatabaseSettings(**given))

        with ThreadPoolExecutor(1) as other:  # the tests' own loop may be running in this thread
            other.submit(prepare).result()
        return given

    return make


@pytest.fixture(scope="session")
def redis_settings(
    embedded_valkey: "EmbeddedValkey", complete_list: "Callable[[EmbeddedValkey], None]"
) -> dict[str, Any]:
    """A Valkey with a complete list of ended sessions, which is empty."""
    complete_list(embedded_valkey)
    return {"redis_url": embedded_valkey.url, "redis_password": embedded_valkey.password}


@pytest.fixture(scope="session")
def complete_list() -> "Callable[[EmbeddedValkey], None]":
    """`complete_list(valkey)` does what `users` does at each start: services wait for it."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - see the module

    from shared.identity.ended_sessions import restore  # noqa: PLC0415 - see the module
    from shared.redis import request_client  # noqa: PLC0415 - see the module
    from shared.settings import RedisSettings  # noqa: PLC0415 - see the module

    def write(server: "EmbeddedValkey") -> None:
        async def run() -> None:
            async with request_client(
                RedisSettings(redis_url=server.url, redis_password=server.password)
            ) as redis:
                await restore(redis, {})

        with ThreadPoolExecutor(1) as other:
            other.submit(asyncio.run, run()).result()

    return write


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def identity() -> "AsyncIterator[TestIdentity]":
    """Signs tokens, and publishes its JWKS at a real address."""
    from fastapi import FastAPI  # noqa: PLC0415 - see the module

    from shared.testing.live import served  # noqa: PLC0415 - see the module
    from shared.testing.tokens import TestIdentity  # noqa: PLC0415 - see the module

    made = TestIdentity()
    publisher = FastAPI(openapi_url=None)

    @publisher.get("/.well-known/jwks.json")
    async def jwks() -> dict[str, Any]:
        return made.jwks

    async with served(publisher) as live:
        made.jwks_url = f"{live.url}/.well-known/jwks.json"
        yield made


@pytest.fixture(scope="session")
def eventually() -> Callable[..., Awaitable[Any]]:
    """`await eventually(read, 401)`, or `await eventually(condition)`; ten seconds unless `seconds` says."""
    from shared.testing.waiting import becomes  # noqa: PLC0415 - see the module

    return becomes


@pytest.fixture
def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def contracts(pytestconfig: pytest.Config) -> "Contracts":
    """What services promise each other, `tests/contracts`."""
    from shared.testing.contracts import Contracts  # noqa: PLC0415 - see the module

    return Contracts(pytestconfig.rootpath / "tests" / "contracts")
