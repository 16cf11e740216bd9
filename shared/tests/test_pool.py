"""The pool alone, with a server that refuses."""

import asyncio

import pytest

from shared.database import pool as pools
from shared.database.pool import Pool
from shared.exceptions import DatabaseUnavailable


class Postgres:
    """Refuses until `back`."""

    def __init__(self):
        self.attempts = 0
        self.back = False

    async def connect(self):
        self.attempts += 1
        if not self.back:
            raise ConnectionRefusedError
        return Connection()


class Connection:
    def is_closed(self):
        return False


async def fail(pool, times):
    for _ in range(times):
        with pytest.raises(DatabaseUnavailable):
            await pool.acquire()


async def test_while_postgres_is_gone_one_attempt_answers_for_many(monkeypatch):
    monkeypatch.setattr(pools, "PAUSE", 3600.0)
    postgres = Postgres()
    await fail(Pool(postgres.connect, 1, 1.0), 100)
    assert postgres.attempts == 1


async def test_after_the_pause_the_next_one_tries(monkeypatch):
    monkeypatch.setattr(pools, "PAUSE", 0.0)
    postgres = Postgres()
    pool = Pool(postgres.connect, 1, 1.0)
    await fail(pool, 2)
    postgres.back = True
    assert await pool.acquire()
    assert postgres.attempts == 3


async def test_a_connection_that_is_there_is_used_whatever_became_of_another(monkeypatch):
    monkeypatch.setattr(pools, "PAUSE", 3600.0)
    postgres = Postgres()
    postgres.back = True
    pool = Pool(postgres.connect, 2, 1.0)
    first = await pool.acquire()
    postgres.back = False
    await fail(pool, 1)
    pool.release(first, usable=True)
    async with asyncio.timeout(5):
        assert await pool.acquire() is first
