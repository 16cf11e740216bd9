"""A transaction as a whole ends in time, and a timeout within it keeps its meaning."""

import asyncio

import pytest

from shared.deadline import transaction_deadline
from shared.exceptions import DatabaseUnavailable


async def test_what_takes_too_long_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        async with transaction_deadline(0.001):
            await asyncio.Event().wait()


async def test_another_timeout_stays_what_it_is() -> None:
    with pytest.raises(TimeoutError):
        async with transaction_deadline():
            raise TimeoutError


async def test_a_caller_who_leaves_is_no_timeout() -> None:
    async def leave() -> None:
        async with transaction_deadline():
            task = asyncio.current_task()
            assert task
            task.cancel()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(leave())


async def test_what_is_quick_enough_is_left_alone() -> None:
    async with transaction_deadline():
        done = True
    assert done
