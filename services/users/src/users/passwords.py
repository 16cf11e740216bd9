"""Password hashing with bounded threads, a bounded queue and a bounded wait."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from users.argon2 import LANES, MEMORY_KIB, PASSES
from users.exceptions import Busy

T = TypeVar("T")


class Passwords:
    """Hashes in threads of its own, because a hash holds a CPU for longer than a whole request should.

    Memory is `threads` × 19 MiB at the most. Raises Busy when `queue` callers wait already, or when one has
    waited for `wait` seconds. New accounts have half of the queue: a flood of them leaves sign-ins room.
    """

    def __init__(self, threads: int, queue: int, wait: float) -> None:
        self._hasher = PasswordHash((Argon2Hasher(PASSES, MEMORY_KIB, LANES),))
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(threads)
        self._queue = queue
        self._wait = wait
        self._waiting = self._waiting_new = 0
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def admit(self) -> None:
        """Raises Busy if the queue is full. Called before any other work on a request."""
        if self._free.locked() and self._waiting >= self._queue:
            raise Busy

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(_bytes(password)))

    async def hash_for_new(self, password: str) -> str:
        """For an account that does not exist yet."""
        if self._free.locked() and self._waiting_new >= (self._queue + 1) // 2:
            raise Busy
        self._waiting_new += 1
        try:
            return await self.hash(password)
        finally:
            self._waiting_new -= 1

    async def verify(self, password: str, stored: str | None) -> bool:
        """True if `password` matches. Without a stored hash it takes the same time and is false."""
        matches = await self._run(lambda: self._hasher.verify(_bytes(password), stored or self._nobodys))
        return matches and stored is not None

    async def upgraded(self, password: str, stored: str) -> str | None:
        """A new hash if the stored one was made with other parameters, else None."""
        return await self.hash(password) if self._hasher.current_hasher.check_needs_rehash(stored) else None

    def close(self) -> None:
        self._executor.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._slot():
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        self.admit()
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait):
                await self._free.acquire()
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._free.release()


def _bytes(password: str) -> bytes:
    """JSON can hold half a surrogate pair, which plain UTF-8 cannot."""
    return password.encode("utf-8", "surrogatepass")
