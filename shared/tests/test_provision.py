"""A role and a database for each service, closed to all others."""

import asyncio
import secrets
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import asyncpg
import pytest

from shared.provision import main, provision

if TYPE_CHECKING:
    from shared.embedded import EmbeddedPostgres


@pytest.fixture
def names() -> list[str]:
    """Two that nobody else uses."""
    return [f"ring_{uuid.uuid4().hex[:8]}", f"_gem_{uuid.uuid4().hex[:8]}"]


async def opened(
    server: "EmbeddedPostgres", role: str, password: str, database: str
) -> "asyncpg.Connection[Any]":
    return await asyncpg.connect(
        f"postgresql://{role}:{quote(password, safe='')}@/{database}?host={server.socket_folder}"
    )


async def test_a_role_opens_its_own_database_and_owns_it(
    embedded_postgres: "EmbeddedPostgres", names: list[str]
) -> None:
    await provision(embedded_postgres.admin_url, {names[0]: "pass'word\\"})
    connection = await opened(embedded_postgres, names[0], "pass'word\\", names[0])
    await connection.execute("CREATE SCHEMA own CREATE TABLE own.t (id int)")
    await connection.close()


async def test_no_role_opens_the_database_of_another(
    embedded_postgres: "EmbeddedPostgres", names: list[str]
) -> None:
    await provision(embedded_postgres.admin_url, dict.fromkeys(names, "same"))
    closed = [names, names[::-1], [names[0], "postgres"], [names[0], "template1"]]
    for role, database in closed:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await opened(embedded_postgres, role, "same", database)


async def test_again_changes_nothing_but_the_password(
    embedded_postgres: "EmbeddedPostgres", names: list[str]
) -> None:
    name = names[0]
    await provision(embedded_postgres.admin_url, {name: "old"}, connections=3)
    connection = await opened(embedded_postgres, name, "old", name)
    await connection.execute("CREATE TABLE kept (id int)")
    await connection.close()
    await provision(embedded_postgres.admin_url, {name: "new"}, connections=5)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await opened(embedded_postgres, name, "old", name)
    connection = await opened(embedded_postgres, name, "new", name)
    assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    limit = await connection.fetchval("SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", name)
    await connection.close()
    assert limit == 5


async def test_a_role_is_nobody_special(embedded_postgres: "EmbeddedPostgres", names: list[str]) -> None:
    await provision(embedded_postgres.admin_url, {names[0]: "same"})
    connection = await opened(embedded_postgres, names[0], "same", names[0])
    rights = await connection.fetchrow(
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls "
        "FROM pg_roles WHERE rolname = current_user"
    )
    await connection.close()
    assert not any(rights)


@pytest.mark.parametrize(
    "name", ['a"; DROP ROLE postgres; --', "a b", "", "Ring", "1ring", "ring-1", "x" * 64, "ring\n", "'"]
)
async def test_a_name_that_would_have_to_be_quoted_is_refused(
    embedded_postgres: "EmbeddedPostgres", name: str
) -> None:
    with pytest.raises(ValueError, match="not a name"):
        await provision(embedded_postgres.admin_url, {name: "same"})


@pytest.fixture
def folder(tmp_path: Path, embedded_postgres: "EmbeddedPostgres") -> Path:
    (tmp_path / "superuser").write_text(embedded_postgres.password + "\n")
    (tmp_path / "ring_cli").mkdir()
    (tmp_path / "ring_cli/ring_cli_database_password").write_text(secrets.token_urlsafe() + "\n")
    return tmp_path


def command(folder: Path, host: object, name: str = "superuser") -> list[str]:
    return [
        *("provision", "ring_cli", "--secrets", str(folder), "--host", str(host)),
        *("--password-file", str(folder / name)),
    ]


def test_the_command_reads_passwords_from_files(
    folder: Path, embedded_postgres: "EmbeddedPostgres", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", command(folder, embedded_postgres.socket_folder))
    in_a_thread(main)
    password = (folder / "ring_cli/ring_cli_database_password").read_text().strip()

    async def open_and_close() -> None:
        await (await opened(embedded_postgres, "ring_cli", password, "ring_cli")).close()

    in_a_thread(lambda: asyncio.run(open_and_close()))


def test_the_command_fails_in_one_line(
    folder: Path, embedded_postgres: "EmbeddedPostgres", monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "wrong").write_text("wr@ng/:?#[]%")
    for given in (
        command(folder, folder / "nowhere"),
        command(folder, embedded_postgres.socket_folder, "no-such-file"),
        command(folder, embedded_postgres.socket_folder, "wrong"),
    ):
        monkeypatch.setattr(sys, "argv", given)
        with pytest.raises(SystemExit, match=r"\Anothing provisioned: [^\n]+\Z"):
            in_a_thread(main)


def in_a_thread(run: Any) -> None:
    """The tests' own loop lives in this one."""
    with ThreadPoolExecutor(1) as other:
        other.submit(run).result()
