"""An application served by uvicorn on a port of its own, in the test's own loop."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import uvicorn

from shared.direct import DirectConnection
from shared.settings import WireSettings
from shared.wire import Connections, Protocol
from shared.worker import DrainingServer

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without certificate authorities: loading them takes 28 ms


def http_client(url: str, **options: Any) -> httpx2.AsyncClient:
    """For plain HTTP; `options` are httpx's."""
    return httpx2.AsyncClient(
        **{"base_url": url, "verify": NO_TLS, "trust_env": False, "timeout": 20, **options}
    )


@dataclass(frozen=True, slots=True)
class LiveApp:
    url: str
    port: int
    client: httpx2.AsyncClient


@contextlib.asynccontextmanager
async def served(
    app: Any, *, limits: WireSettings | None = None, protocol: type[Protocol] = DirectConnection
) -> AsyncIterator[LiveApp]:
    """Serve `app` with its lifespan, real sockets and the protocol that workers use.

    Raises RuntimeError when its lifespan fails.
    """
    # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    peers = Connections(limits or WireSettings(drain_grace=0))
    config = uvicorn.Config(
        app,
        http=partial(protocol, peers=peers),  # type: ignore[arg-type]  # it is called, like a class
        ws="none",
        lifespan="on",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    config.timeout_graceful_shutdown = 3
    server = _Server(config, peers)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                await task
                raise RuntimeError("the application's lifespan failed; its log says why")
            await asyncio.sleep(0.005)
        url = f"http://127.0.0.1:{port}"
        async with http_client(url) as client:
            yield LiveApp(url, port, client)
    finally:
        server.leave.set()
        await task
        listener.close()


class _Server(DrainingServer):
    """Signals are the test runner's, and so is the exit; nothing is polled for."""

    def __init__(self, config: uvicorn.Config, peers: Connections) -> None:
        super().__init__(config, peers)
        self.leave = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # sets the date header
        await self.leave.wait()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        with contextlib.suppress(SystemExit):  # uvicorn's way to say that the lifespan failed
            await super().serve(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield
