"""Our programs as processes of their own, for tests.

They are forked, as the embedded stack's are, from a process that has the libraries already there.
A start then takes a third of the CPU time.
"""

import asyncio
import atexit
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from shared.embedded.child import Process
from shared.embedded.forking import AVAILABLE, ForkServer

FURTHER = ("coverage", "pydantic.v1", "uvicorn_worker")  # FastAPI imports the second for the first route


def unmeasured() -> dict[str, str]:
    """The environment of a process that has nothing to measure. Coverage would take a third of its time."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def begin(*words: str, environment: Mapping[str, str], outputs: Sequence[Path]) -> Process:
    """`python <words>`, which are `-m module …` or `-c program …`. It leads a process group of its own.

    It writes to the first of `outputs`, and its errors to the last.
    """
    if AVAILABLE:
        return _server().fork(words, environment, *outputs)
    with outputs[0].open("ab") as output, outputs[-1].open("ab") as errors:
        return subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, *words], env=environment, stdout=output, stderr=errors, process_group=0
        )


async def started(*words: str, environment: Mapping[str, str], apart: bool = False) -> "Program":
    """As `begin`; what it writes is read from the program, `apart` if errors have a stream of their own."""
    pipes = [os.pipe() for _ in range(1 + apart)]
    outputs = [Path(f"/dev/fd/{writing}") for _, writing in pipes]
    if AVAILABLE:
        outputs = [Path(f"/proc/{os.getpid()}/fd/{writing}") for _, writing in pipes]
    process = begin(*words, environment=environment, outputs=outputs)
    streams = []
    for reading, writing in pipes:
        os.close(writing)
        streams.append(stream := asyncio.StreamReader())
        await asyncio.get_running_loop().connect_read_pipe(
            partial(asyncio.StreamReaderProtocol, stream), os.fdopen(reading, "rb", 0)
        )
    return Program(process, *streams)


class Program:
    """What tests use of `asyncio.subprocess.Process`."""

    def __init__(self, process: Process, *streams: asyncio.StreamReader) -> None:
        self.pid = process.pid
        self.stdout = streams[0] if streams else None
        self.send_signal, self.terminate, self.kill = process.send_signal, process.terminate, process.kill
        self._process = process
        self._streams = streams

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    async def wait(self) -> int:
        return await asyncio.to_thread(self._process.wait)

    async def communicate(self) -> list[bytes]:
        """All that it has written, by stream, when it has ended."""
        written = await asyncio.gather(*(stream.read() for stream in self._streams))
        await self.wait()
        return written


@cache
def _server() -> ForkServer:
    """One for each process of the tests. Coverage measures what it forks, and begins there."""
    handle, log = tempfile.mkstemp(prefix="facet-fork-server-")
    os.close(handle)
    server = ForkServer(Path(log), environment=unmeasured(), further=FURTHER)
    server.start()
    atexit.register(Path(log).unlink)
    atexit.register(server.stop)
    return server
