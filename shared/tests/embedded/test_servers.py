"""Servers from wheels: they start, answer, stop, start again with their data, and leave no process."""

import asyncio
import contextlib
import os
import secrets
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.embedded import postgres as postgres_module
from shared.embedded.child import ChildServer
from shared.redis import request_client
from shared.settings import RedisSettings


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="facet-test-") as made:
        yield Path(made)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


async def ask_postgres(server: EmbeddedPostgres, statement: str) -> Any:
    connection = await asyncpg.connect(server.admin_url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def ask_valkey(server: EmbeddedValkey, *command: str) -> Any:
    client = request_client(RedisSettings(redis_url=server.url, redis_password=server.password))
    try:
        return await client.execute_command(*command)
    finally:
        await client.aclose()


def gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


async def test_postgres_keeps_its_data_over_stops_and_kills(
    folder: Path, eventually: Callable[..., Any], stack: contextlib.ExitStack
) -> None:
    server = EmbeddedPostgres(folder / "data", "p@ss/word'", folder / "log")
    stack.callback(server.stop)
    await asyncio.to_thread(server.start)
    await ask_postgres(server, "CREATE TABLE kept (n int)")
    assert server.process
    group = server.process.pid
    await asyncio.to_thread(server.stop)
    await eventually(lambda: gone(group))
    assert not server.socket_folder.exists()
    await asyncio.to_thread(server.start)
    assert await ask_postgres(server, "SELECT count(*) FROM kept") == 0
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait()
    await asyncio.to_thread(server.start)
    assert await ask_postgres(server, "SELECT count(*) FROM kept") == 0


async def test_postgres_lets_nobody_in_without_the_password(embedded_postgres: EmbeddedPostgres) -> None:
    for password in ("", "wrong"):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                user="postgres",
                password=password,
                host=str(embedded_postgres.socket_folder),
                database="postgres",
            )
    assert await ask_postgres(embedded_postgres, "SHOW listen_addresses") == ""


async def test_valkey_keeps_its_data_over_stops_and_starts(folder: Path, stack: contextlib.ExitStack) -> None:
    server = EmbeddedValkey(folder / "data", secrets.token_urlsafe(), folder / "log")
    stack.callback(server.stop)
    await asyncio.to_thread(server.start)
    await ask_valkey(server, "SET", "gem", "ruby")
    assert server.process
    group = server.process.pid
    await asyncio.to_thread(server.stop)
    assert gone(group)
    assert not server.answers()
    await asyncio.to_thread(server.start)
    assert await ask_valkey(server, "GET", "gem") == "ruby"


def test_valkeys_password_is_in_a_private_file_and_on_no_command_line(folder: Path) -> None:
    server = EmbeddedValkey(folder / "data", "hush-password", folder / "log")
    assert "hush-password" not in " ".join(server.command)
    (config,) = (folder / "data").glob("*.conf")
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    server.stop()


def test_a_postgres_that_cannot_start_shows_the_end_of_its_log(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", "x", folder / "log")
    server.start()
    server.stop()
    (folder / "data/postgresql.conf").write_text("max_connections = nonsense\n")
    server._durable = True
    with pytest.raises(RuntimeError, match=r"(?s)postgres did not start:.*max_connections") as failed:
        server.start()
    assert len(str(failed.value)) < 2100
    assert server.process is None


def test_a_valkey_that_cannot_start_shows_the_end_of_its_log(folder: Path) -> None:
    server = EmbeddedValkey(folder / "data", 'quote " in the middle', folder / "log")
    with pytest.raises(RuntimeError, match=r"(?s)valkey did not start:.*requirepass"):
        server.start()
    assert server.process is None


class Stubborn(ChildServer):
    """Never answers, and ignores being asked to stop."""

    name = "stubborn"

    @property
    def command(self) -> list[str]:
        return ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]

    def answers(self) -> bool:
        return False


def test_a_server_that_never_answers_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Stubborn(folder / "log")
    stop = server.stop
    monkeypatch.setattr(server, "stop", lambda: stop(timeout=0.2))
    with pytest.raises(RuntimeError, match="stubborn did not start:\ndeaf"):
        server.start(timeout=0.3)
    assert server.process is None
    server.stop()  # once more is no error


def test_a_server_says_what_it_is_by_its_class(folder: Path) -> None:
    with pytest.raises(TypeError, match=r"answers'?, '?command"):
        ChildServer(folder / "log")  # type: ignore[abstract]  # which is the claim


def test_without_the_wheel_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RuntimeError, match="run make install"):
        postgres_module.programs()


def test_an_ordinary_user_runs_postgres_as_itself(
    embedded_postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert embedded_postgres.identity == {}
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert embedded_postgres.identity["user"] > 0


def test_root_lets_the_other_user_pass_but_not_list(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    postgres_module._let_through(closed / "data")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
