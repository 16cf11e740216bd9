"""Peak memory while 1 GB streams each way between a fast and a slow peer, and with 1,000 idle connections."""

import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from loadtests.bench import nginx, slow_upstream
from loadtests.bench.contestants import FACET, facet_with
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.gateway_sections import tables
from loadtests.bench.gateway_setup import Setup
from loadtests.bench.memory import Memory
from loadtests.bench.rig import free_port
from loadtests.bench.slow import CHUNK, read_slowly

GIGABYTE = 1_000_000_000
RATE = 64_000_000  # bytes a second of the slow peer
IDLE = 1000
OK = b"HTTP/1.1 200 "
MEGABYTE = 1_000_000


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    size = GIGABYTE // 16 if quick else GIGABYTE
    start_streaming(setup, size, RATE)
    titles = setup.start_all(setup.peers("nginx", "traefik"))
    for name in titles:
        setup.measure(name, setup.load(), 1)  # so that what it needs anyway is resident
    memory = {name: Memory(setup.rig.pid(name)) for name in titles}
    found = []
    streams: dict[str, Callable[[], None]] = {
        "down to a slow client": lambda: down(setup, size, RATE),
        "up to a slow upstream": lambda: up(setup, size),
    }
    for what, stream in streams.items():
        memory[FACET].start()
        stream()
        found.append(_row(titles[FACET], f"{size / MEGABYTE:,.0f} MB {what}", memory[FACET]))
    for name, title in titles.items():
        memory[name].start()
        with _idle_connections(setup, name):
            found.append(_row(title, f"{IDLE:,} idle connections", memory[name]))
    return {"memory": found}


def start_streaming(setup: Setup, size: int, rate: int) -> None:
    """Our gateway, before a file of holes and an upstream that reads slowly."""
    folder, port = setup.rig.folder, free_port()
    files = folder / nginx.FILES.strip("/")
    files.mkdir(mode=0o755)
    file = files / "stream"
    with file.open("wb") as made:
        made.truncate(size)
    command = [sys.executable, slow_upstream.__file__, str(port), str(rate)]
    setup.rig.start("slow", command, core=setup.rig.cores.load, ready=lambda: _listens(port))
    given = {
        "GATEWAY_ROUTES_FILE": str(tables.bodies(folder)),
        "GATEWAY_ML_PREDICT_URL": f"http://127.0.0.1:{port}",
    }
    setup.start(facet_with(FACET, "Facet", given))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def down(setup: Setup, size: int, rate: int) -> None:
    with socket.create_connection(("127.0.0.1", setup.ports[FACET]), 30) as connection:
        connection.sendall(setup.requests(path=f"{nginx.FILES}/stream")[0].raw.encode())
        head, rest = _head(connection)
        got = len(rest) + read_slowly(connection, size - len(rest), rate)
    if not head.startswith(OK) or got != size:
        raise BenchFailed(f"{got} of {size} bytes came down: {head[:80]!r}")


def up(setup: Setup, size: int) -> None:
    request = setup.requests("POST", tables.STREAM)[0].raw.removesuffix("\r\n")
    with socket.create_connection(("127.0.0.1", setup.ports[FACET]), 30) as connection:
        connection.sendall(f"{request}Content-Length: {size}\r\n\r\n".encode())
        chunk = bytes(CHUNK)
        for start in range(0, size, CHUNK):
            connection.sendall(chunk[: size - start])
        head, got = _head(connection)
    if not head.startswith(OK) or got != str(size).encode():
        raise BenchFailed(f"{got!r} of {size} bytes went up: {head[:80]!r}")


@contextlib.contextmanager
def _idle_connections(setup: Setup, name: str) -> Iterator[None]:
    """Each has had an answer before."""
    requests = setup.requests()
    with contextlib.ExitStack() as opened:
        for number in range(IDLE):
            connection = socket.create_connection(("127.0.0.1", setup.ports[name]), 30)
            opened.enter_context(connection)
            connection.sendall(requests[number % len(requests)].raw.encode())
            head, _ = _head(connection)
            if not head.startswith(OK):
                raise BenchFailed(f"{name}: connection {number + 1} got {head[:80]!r}")
        yield


def _head(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head of an answer, and what came after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := connection.recv(CHUNK)):
            raise BenchFailed(f"the connection ended within the head: {received[:80]!r}")
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def _row(title: str, what: str, memory: Memory) -> dict[str, Any]:
    before, growth = memory.before / MEGABYTE, memory.growth() / MEGABYTE
    print(f"{title:<50} {what:<32} {before:>6.1f} MB, at most +{growth:.1f} MB")  # noqa: T201 - the result
    return {"title": title, "what": what, "before_mb": round(before, 1), "growth_mb": round(growth, 1)}
