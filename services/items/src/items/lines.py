"""Splits a stream of bytes into lines, in memory of one line at the most."""

from collections.abc import AsyncIterable, AsyncIterator


async def split_lines(chunks: AsyncIterable[bytes], longest: int) -> AsyncIterator[bytes | None]:
    """Lines without their ends; None for one of more than `longest` bytes. The last needs no end."""
    held = bytearray()
    too_long = False
    async for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            held += chunk[start:end]
            yield None if too_long or len(held) > longest else bytes(held)
            held.clear()
            too_long = False
            start = end + 1
        held += chunk[start:]
        if len(held) > longest:
            held.clear()
            too_long = True
    if held or too_long:
        yield None if too_long else bytes(held)
