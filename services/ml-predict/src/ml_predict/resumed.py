"""A coroutine that has begun outside of a task, and goes on in one."""

from collections.abc import Coroutine, Generator
from typing import Any

from fastapi import Response


async def resumed(coroutine: Coroutine[Any, Any, Response], waiting: Any) -> Response:
    """The rest of a coroutine that has begun outside of a task, and waits for the future `waiting`."""
    return await _Resumed(coroutine, waiting)


class _Resumed:
    def __init__(self, coroutine: Coroutine[Any, Any, Response], waiting: Any) -> None:
        self._coroutine = coroutine
        self._waiting = waiting

    def __await__(self) -> Generator[Any, Any, Response]:
        waiting = self._waiting
        while True:
            try:
                try:
                    given = yield waiting
                except BaseException as error:  # noqa: BLE001 - a cancellation, or what the future raised
                    waiting = self._coroutine.throw(error)
                else:
                    waiting = self._coroutine.send(given)
            except StopIteration as done:
                result: Response = done.value
                return result
