"""Transactions commit before the caller hears; errors are told apart: gone, in conflict, or our mistake."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import asyncpg
import pytest
import pytest_asyncio
from fastapi import APIRouter, Depends, Request
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.database import Database, HeldConnection, check_capacity, database_url, is_unavailable
from shared.exceptions import DatabaseUnavailable
from shared.settings import DatabaseSettings
from shared.testing import LiveApp, served

if TYPE_CHECKING:
    from shared.embedded import EmbeddedPostgres

router = APIRouter()
TABLES = """
DROP TABLE IF EXISTS ring, box;
CREATE TABLE box (name text PRIMARY KEY);
CREATE TABLE ring (name text PRIMARY KEY, box text REFERENCES box DEFERRABLE INITIALLY DEFERRED);
"""
INSERT = text("INSERT INTO ring (name, box) VALUES (:name, :box)")


async def transaction(request: Request) -> AsyncIterator[HeldConnection]:
    async with request.state.database.transaction() as connection:
        yield connection


# It commits before the answer is sent, so that who reads 201 can rely on it.
Transaction = Annotated[HeldConnection, Depends(transaction, scope="function")]


@router.post("/rings/{name}", status_code=201)
async def add_ring(connection: Transaction, name: str, box: str | None = None) -> str:
    await connection.execute(INSERT, {"name": name, "box": box})
    return name


@router.post("/broken-rings/{name}")
async def add_ring_and_break(connection: Transaction, name: str) -> None:
    await connection.execute(INSERT, {"name": name, "box": None})
    raise LookupError(name)


@router.post("/raw-rings/{name}", status_code=201)
async def add_ring_without_sqlalchemy(connection: Transaction, name: str) -> str:
    await connection.driver.execute("INSERT INTO ring VALUES ($1)", name)
    return name


@router.get("/rings")
async def count_rings(connection: Transaction) -> int:
    return int((await connection.execute(text("SELECT count(*) FROM ring"))).scalar_one())


STATEMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "syntax": (text("SELEKT 'hush'"), {}),
    "column": (text("SELECT hush FROM ring"), {}),
    "type": (text("SELECT CAST(:n AS int)"), {"n": "hush is closed"}),
    "range": (text("SELECT CAST(:n AS int)"), {"n": 2**40}),
    "nul": (INSERT, {"name": "hush\x00", "box": None}),
    "division": (text("SELECT 1/0"), {}),
}


@router.get("/mistakes/{kind}")
async def make_a_mistake(connection: Transaction, kind: str) -> None:
    match kind:
        case "raw":
            await connection.driver.execute("SELEKT 'hush'")
        case "overlap":
            driver = connection.driver
            await asyncio.gather(driver.execute("SELECT pg_sleep(0.2)"), driver.execute("SELECT 1"))
        case "file":
            raise FileNotFoundError("hush")
        case "patience":
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        case _:
            await connection.execute(*STATEMENTS[kind])


@router.get("/one")
async def read_one(connection: Transaction) -> int:
    return int((await connection.execute(text("SELECT 1"))).scalar_one())


@router.get("/slow")
async def ask_slowly(connection: Transaction) -> None:
    await connection.execute(text("SELECT pg_sleep(30)"))


@router.get("/ended/{by}")
async def be_ended(connection: Transaction, request: Request, by: str) -> None:
    mine = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with request.state.other.transaction() as other:
        await other.execute(text(f"SELECT {by}(:pid)"), {"pid": mine})
    await connection.execute(text("SELECT pg_sleep(30)"))


@router.get("/ended-raw")
async def be_ended_below_sqlalchemy(connection: Transaction, request: Request) -> None:
    mine = await connection.driver.fetchval("SELECT pg_backend_pid()")
    async with request.state.other.transaction() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    await connection.driver.execute("SELECT pg_sleep(30)")


@router.post("/ended-at-commit/{name}", status_code=201)
async def be_ended_at_commit(connection: Transaction, request: Request, name: str) -> str:
    mine = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await connection.execute(INSERT, {"name": name, "box": None})
    async with request.state.other.transaction() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": mine})
    return name


@router.get("/held")
async def hold(connection: Transaction, request: Request) -> None:
    await connection.execute(text("SELECT 1"))
    request.state.holding.set()
    await request.state.release.wait()


@pytest.fixture(scope="module")
def settings(make_database: Callable[..., Any]) -> Callable[..., DatabaseSettings]:
    given = make_database("rings")

    def make(**changed: Any) -> DatabaseSettings:
        return DatabaseSettings(**{**given, **changed})

    return make


@asynccontextmanager
async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    opened = Database(settings, "test")
    try:
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def live(make_app: Callable[..., Any], settings: Callable[..., Any]) -> AsyncIterator[LiveApp]:
    one = settings(database_pool_size=2, database_timeout=1, database_command_timeout=0.5)
    async with database(one) as mine, database(settings()) as other:
        async with other.transaction() as connection:
            for statement in TABLES.strip().split(";")[:-1]:
                await connection.execute(text(statement))
        events = {"holding": asyncio.Event(), "release": asyncio.Event()}
        async with served(make_app(router, database=mine, other=other, **events)) as live:
            yield live


def told(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    return answer.status_code, answer.json()["code"]


async def test_what_was_answered_is_stored(live: LiveApp) -> None:
    assert (await live.client.post("/rings/one")).status_code == 201
    assert (await live.client.get("/rings")).json() == 1


async def test_an_error_takes_everything_back(live: LiveApp) -> None:
    assert (await live.client.post("/broken-rings/one")).status_code == 500
    assert (await live.client.get("/rings")).json() == 0


async def test_a_commit_that_fails_is_an_error_and_no_success(live: LiveApp) -> None:
    """The constraint is deferred: the handler has returned before Postgres looks at it."""
    answer = await live.client.post("/rings/one?box=hush-nowhere")
    assert told(answer) == (409, "conflict")
    assert "hush" not in answer.text
    assert (await live.client.get("/rings")).json() == 0


@pytest.mark.parametrize("path", ["/rings/hush-ring", "/raw-rings/hush-ring"])
async def test_a_duplicate_is_409_without_the_row(
    live: LiveApp, path: str, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    assert (await live.client.post(path)).status_code == 201
    answer = await live.client.post(path)
    assert told(answer) == (409, "conflict")
    assert "hush" not in answer.json()["detail"]
    assert "ring_pkey" not in answer.text
    lines = [line for line in log_lines() if line["event"] == "constraint_violated"]
    assert [line["constraint"] for line in lines] == ["ring_pkey"]
    assert "hush" not in str(lines)


@pytest.mark.parametrize(
    "kind",
    ["syntax", "column", "type", "range", "nul", "division", "raw", "overlap", "file", "patience"],
)
async def test_our_own_mistake_is_500_and_not_the_databases(live: LiveApp, kind: str) -> None:
    answer = await live.client.get(f"/mistakes/{kind}")
    assert told(answer) == (500, "internal_error")
    assert "hush" not in answer.text
    assert (await live.client.get("/rings")).status_code == 200


async def test_a_connection_that_was_used_wrongly_is_not_used_again(
    make_app: Callable[..., Any], settings: Callable[..., Any]
) -> None:
    """The only one of its pool: whoever came next would get it."""
    async with (
        database(settings(database_pool_size=1)) as mine,
        served(make_app(router, database=mine)) as live,
    ):
        for _ in range(3):
            assert told(await live.client.get("/mistakes/overlap")) == (500, "internal_error")
            assert (await live.client.get("/one")).status_code == 200


async def test_parameters_do_not_reach_the_log(
    live: LiveApp, log_lines: Callable[[], list[dict[str, Any]]]
) -> None:
    await live.client.get("/mistakes/division")
    await live.client.get("/mistakes/nul")
    await live.client.get("/mistakes/type")
    lines = log_lines()
    assert len([line for line in lines if line["event"] == "unexpected_error"]) == 3
    assert "hush" not in str(lines)


async def test_a_statement_that_takes_too_long_is_503(live: LiveApp) -> None:
    assert told(await live.client.get("/slow")) == (503, "database_unavailable")
    assert (await live.client.get("/rings")).status_code == 200


RUNNING = """
SELECT count(*) FROM pg_stat_activity
WHERE state = 'active' AND query LIKE '%of ' || 'hours%' AND pid <> pg_backend_pid()
"""


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_statement_that_nobody_waits_for_ends_in_postgres_too(
    settings: Callable[..., Any], eventually: Callable[..., Any], cancelled: bool
) -> None:
    async with database(settings(database_command_timeout=0.3)) as mine, database(settings()) as other:
        work = asyncio.create_task(mine.autocommit.execute(text("SELECT pg_sleep(3600) /* of hours */")))

        async def running() -> int:
            return int(await other.autocommit.scalar(text(RUNNING)) or 0)

        await eventually(running, 1)
        if cancelled:
            work.cancel()
        await asyncio.wait([work])
        await eventually(running, 0)


@pytest.mark.parametrize("path", ["/ended/pg_terminate_backend", "/ended/pg_cancel_backend", "/ended-raw"])
async def test_a_connection_that_is_ended_under_way_is_503(
    live: LiveApp, settings: Callable[..., Any], path: str
) -> None:
    assert told(await live.client.get(path)) == (503, "database_unavailable")
    assert (await live.client.get("/rings")).status_code == 200


async def test_a_connection_that_is_gone_at_commit_is_503(live: LiveApp) -> None:
    assert told(await live.client.post("/ended-at-commit/one")) == (503, "database_unavailable")
    assert (await live.client.get("/rings")).json() == 0


async def test_a_connection_that_may_only_read_is_503_and_not_used_again(
    make_app: Callable[..., Any], settings: Callable[..., Any], live: LiveApp
) -> None:
    """After a failover it leads to a server that is a standby now; a new one finds the primary."""
    async with (
        database(settings(database_pool_size=1)) as mine,
        served(make_app(router, database=mine)) as only,
    ):
        await mine.autocommit.execute(text("SET default_transaction_read_only = on"))
        assert told(await only.client.post("/rings/one")) == (503, "database_unavailable")
        assert (await only.client.post("/rings/one")).status_code == 201
    assert (await live.client.get("/rings")).json() == 1


async def test_a_pool_without_a_free_connection_is_503(
    make_app: Callable[..., Any], settings: Callable[..., Any]
) -> None:
    events = {"holding": asyncio.Event(), "release": asyncio.Event()}
    one = settings(database_pool_size=1, database_timeout=0.1)
    async with database(one) as mine, served(make_app(router, database=mine, **events)) as live:
        held = asyncio.create_task(live.client.get("/held"))
        await events["holding"].wait()
        assert told(await live.client.get("/held")) == (503, "database_unavailable")
        events["release"].set()
        assert (await held).status_code == 200
        assert (await live.client.get("/held")).status_code == 200


async def test_a_wrong_password_is_503_and_not_told(
    make_app: Callable[..., Any], settings: Callable[..., Any]
) -> None:
    async with (
        database(settings(database_password="hush-wrong")) as mine,
        served(make_app(router, database=mine)) as live,
    ):
        answer = await live.client.get("/rings")
    assert told(answer) == (503, "database_unavailable")
    assert "rings" not in answer.text.replace("/rings", "")


async def violate(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE t (n int UNIQUE)"))
        await connection.execute(text("INSERT INTO t VALUES (1), (1)"))


async def test_a_transaction_outside_a_request_raises_what_it_is(settings: Callable[..., Any]) -> None:
    async with database(settings(database_url="postgresql+asyncpg://x@/x?host=/nowhere")) as gone:
        with pytest.raises(DatabaseUnavailable):
            async with gone.transaction() as connection:
                await connection.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailable):
            await gone.ping()
    async with database(settings()) as here:
        await here.ping()
        with pytest.raises(IntegrityError):
            await violate(here)


async def test_postgres_knows_who_is_asking(settings: Callable[..., Any]) -> None:
    async with database(settings()) as mine, mine.transaction() as connection:
        assert (await connection.execute(text("SHOW application_name"))).scalar_one() == "test"


async def test_the_password_joins_the_address(settings: Callable[..., Any]) -> None:
    url = database_url(settings(database_password="p@ss/word"))
    assert url.password == "p@ss/word"
    assert "p@ss" not in str(url)


async def test_workers_that_fit_may_start(settings: Callable[..., Any]) -> None:
    assert await check_capacity(settings(database_pool_size=10), workers=4) is None


async def test_more_connections_than_allowed_refuse_the_start(settings: Callable[..., Any]) -> None:
    with pytest.raises(SystemExit) as stopped:
        await check_capacity(settings(database_pool_size=10), workers=5)
    assert str(stopped.value) == (
        "5 workers x 10 connections = 50, but role rings may open 40: use fewer workers or a smaller pool"
    )


async def test_a_role_without_a_limit_has_the_servers(
    settings: Callable[..., Any], embedded_postgres: "EmbeddedPostgres"
) -> None:
    superuser = settings(
        database_url=embedded_postgres.url(),
        database_password=embedded_postgres.password,
        database_pool_size=1,
    )
    assert await check_capacity(superuser, workers=90) is None
    with pytest.raises(SystemExit, match="may open 97"):
        await check_capacity(superuser, workers=98)


@pytest.mark.parametrize(
    "changed",
    [{"database_url": "postgresql+asyncpg://x@/x?host=/nowhere"}, {"database_password": "hush-wrong"}],
)
async def test_a_database_that_cannot_be_asked_is_a_warning(
    settings: Callable[..., Any], changed: dict[str, str]
) -> None:
    warning = await check_capacity(settings(**changed), workers=1000)
    assert warning is not None
    assert warning.startswith("database not asked for its connection limit: ")
    assert "hush" not in warning


async def test_raw_asyncpg_errors_are_known_by_their_class() -> None:
    assert is_unavailable(asyncpg.InterfaceError("connection is closed"))
    assert is_unavailable(asyncpg.TooManyConnectionsError("full"))
    assert is_unavailable(asyncpg.PostgresIOError("could not read block"))
    assert is_unavailable(asyncpg.IdleInTransactionSessionTimeoutError("terminating connection"))
    assert is_unavailable(asyncpg.LockNotAvailableError("canceling statement due to lock timeout"))
    assert is_unavailable(asyncpg.InternalClientError("cannot switch to state 15; another operation (2)"))
    assert is_unavailable(ConnectionResetError())
    assert not is_unavailable(asyncpg.DataError("invalid input: 'closed'"))
    assert not is_unavailable(asyncpg.DeadlockDetectedError("deadlock"))
    assert not is_unavailable(None)


async def test_a_transaction_commits_at_its_end_and_takes_everything_back_on_an_error(
    settings: Callable[..., Any],
) -> None:
    async with database(settings()) as mine:
        async with mine.transaction() as connection:
            await connection.execute(text("CREATE TABLE IF NOT EXISTS kept (n int)"))
            await connection.execute(text("TRUNCATE kept"))
            await connection.execute(text("INSERT INTO kept VALUES (1)"))
        with contextlib.suppress(ZeroDivisionError):
            async with mine.transaction() as connection:
                await connection.execute(text("INSERT INTO kept VALUES (2)"))
                raise ZeroDivisionError
        async with mine.transaction() as connection:
            assert await connection.scalars(text("SELECT n FROM kept")) == [1]


async def test_a_transaction_says_when_there_is_no_database(settings: Callable[..., Any]) -> None:
    gone = settings(database_url="postgresql+asyncpg://x@/x?host=/nowhere")
    slow = settings(database_command_timeout=0.1)
    narrow = settings(database_pool_size=1, database_timeout=0.1)
    async with database(gone) as mine:
        with pytest.raises(DatabaseUnavailable):
            await slept(mine, 0)
    async with database(slow) as mine:
        with pytest.raises(DatabaseUnavailable):
            await slept(mine, 30)
        await slept(mine, 0)
    async with database(narrow) as mine, mine.transaction():
        with pytest.raises(DatabaseUnavailable):
            await slept(mine, 0)


async def slept(database: Database, seconds: float) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


async def test_a_connection_that_a_transaction_used_wrongly_is_not_used_again(
    settings: Callable[..., Any],
) -> None:
    async with database(settings(database_pool_size=1)) as mine:
        for _ in range(3):
            with pytest.raises(asyncpg.InterfaceError):
                await overlap(mine)
            await slept(mine, 0)


async def overlap(database: Database) -> None:
    async with database.transaction() as connection:
        driver = connection.driver
        await asyncio.gather(driver.execute("SELECT pg_sleep(0.2)"), driver.execute("SELECT 1"))
