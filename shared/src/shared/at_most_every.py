"""Limits how often something is asked, however many callers want the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class AtMostEvery(Generic[Answer]):
    """`await recent()` returns the last answer, or raises the last error, if that is younger than `seconds`.

    Those who come while the question is being asked wait for its answer. A question that is given up because
    the one who asked it was cancelled counts as an error of type TimeoutError.
    """

    def __init__(self, seconds: float, ask: Callable[[], Awaitable[Answer]]) -> None:
        self._seconds = seconds
        self._ask = ask
        self._asked_at = float("-inf")
        self._outcome: Answer | BaseException = TimeoutError()
        self._lock = asyncio.Lock()

    async def __call__(self) -> Answer:
        async with self._lock:
            if time.monotonic() - self._asked_at >= self._seconds:
                self._asked_at = time.monotonic()
                self._outcome = TimeoutError()
                try:
                    self._outcome = await self._ask()
                except Exception as error:  # noqa: BLE001 - kept for everybody who asks, and raised below
                    self._outcome = error
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome
