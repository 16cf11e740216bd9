"""What takes time for a pool: opening a connection, and waiting until all are closed."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

_Connection = TypeVar("_Connection", bound=asyncio.Protocol)


class Closing(Protocol):
    """A pool, as far as it is closed here."""

    empty: asyncio.Event

    def begin_closing(self) -> None: ...

    def cut(self) -> None: ...


async def connect(
    address: tuple[str, int],
    tls: ssl.SSLContext | None,
    make: Callable[[], _Connection],
    *,
    by: float,
) -> _Connection:
    """Raises OSError, or TimeoutError `by` that time of the loop."""
    host, port = address
    async with asyncio.timeout_at(by):
        _, connection = await asyncio.get_running_loop().create_connection(
            make, host, port, ssl=tls, server_hostname=host if tls else None
        )
    return connection


async def close(pools: Sequence[Closing], grace: float) -> None:
    """Lets what is in flight finish for `grace` seconds, and cuts it off then."""
    for pool in pools:
        pool.begin_closing()
    try:
        async with asyncio.timeout(grace):
            for pool in pools:
                await pool.empty.wait()
    except TimeoutError:
        for pool in pools:
            pool.cut()
