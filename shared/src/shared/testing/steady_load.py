"""Clients that keep their connections open and count each request that gets no answer."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass
class SteadyLoad:
    """What the clients have seen so far. `failures` are requests without an answer, or with an error."""

    answered: int = 0
    failures: list[str] = field(default_factory=list)


@contextlib.asynccontextmanager
async def steady_load(
    port: int,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    clients: int = 16,
    longest_pause: float = 0.3,
    seed: int = 1,
) -> AsyncIterator[SteadyLoad]:
    """Each client sends, waits for the answer, pauses for a random time, and uses its connection again."""
    load = SteadyLoad()
    stopping = asyncio.Event()
    draw = random.Random(seed)  # noqa: S311 - a schedule, no secret
    pauses = [_pauses(draw.random(), longest_pause) for _ in range(clients)]
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    request = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
    tasks = [asyncio.create_task(_run(port, request, load, stopping, pause)) for pause in pauses]
    try:
        yield load
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


def _pauses(seed: float, longest: float) -> Iterator[float]:
    draw = random.Random(seed)  # noqa: S311 - a schedule, no secret
    while True:
        yield draw.random() * longest


async def _run(
    port: int, request: bytes, load: SteadyLoad, stopping: asyncio.Event, pauses: Iterator[float]
) -> None:
    while not stopping.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as error:
            load.failures.append(f"no connection: {error!r}")
            continue
        try:
            while await _exchange(request, reader, writer, load) and not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stopping.wait(), next(pauses))
        finally:
            writer.close()


async def _exchange(
    request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, load: SteadyLoad
) -> bool:
    """One request; True when the connection stays open."""
    try:
        async with asyncio.timeout(20):
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            content = await reader.readexactly(int(length))
    except (OSError, EOFError, TimeoutError, ValueError) as error:
        load.failures.append(f"no answer: {error!r}")
        return False
    if not head.startswith(b"http/1.1 2"):
        status = head.partition(b"\r\n")[0].decode()
        load.failures.append(f"{status}: {content[:500]!r}")
    load.answered += 1
    return b"connection: close" not in head
