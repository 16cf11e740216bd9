"""What was made of bytes before, for bytes that come again and again."""

from collections.abc import Callable
from typing import Generic, TypeVar

MOST = 1024
Made = TypeVar("Made")


class Remembered(dict[bytes, Made], Generic[Made]):
    """`remembered[data]` is `make(data)`; at `MOST` of them all are forgotten.

    `lru_cache` takes twice as long, because it puts bytes into a tuple to look them up.
    """

    def __init__(self, make: Callable[[bytes], Made]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, data: bytes) -> Made:
        made = self._make(data)
        if len(self) >= MOST:
            self.clear()
        self[data] = made
        return made
