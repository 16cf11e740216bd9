"""The gunicorn worker: uvicorn on uvloop with the wire of `shared.wire`, and a graceful stop."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from gunicorn.arbiter import Arbiter
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from shared.gathering import GATHERING
from shared.memory import keep_from_collector
from shared.wire import Connections, Protocol

ACCEPTED = 8  # connections of each listening socket in a round of the loop
MARGIN = 3  # seconds between uvicorn's limit and gunicorn's SIGKILL, for the lifespan's shutdown


class DrainingServer(Server):
    """Tells all connections that the worker stops, also those that are accepted at this moment."""

    def __init__(
        self, config: Any, peers: Connections, *, started: Callable[[Server], None] = lambda _: None
    ) -> None:
        super().__init__(config)
        self._peers = peers
        self._on_start = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """libuv accepts one connection of a socket in each round of the loop, which takes long under load."""
        copies = [sock.dup() for sock in sockets or () for _ in range(ACCEPTED - 1)]
        try:
            await super().startup([*sockets, *copies] if sockets else sockets)
        finally:
            if not self.started:
                for copy in copies:
                    copy.close()
        self._on_start(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._peers.drain()
        await super().shutdown(sockets)


class GatheringServer(DrainingServer):
    """Gathers what is logged and counted for as long as it serves.

    Inside `serve`, because that ends with the signal that stopped it, which ends the process.
    """

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        with GATHERING.on(asyncio.get_running_loop()):
            await super()._serve(sockets)


class Worker(UvicornWorker):  # type: ignore[misc]  # uvicorn_worker has no types
    """Stops within gunicorn's graceful timeout: requests in flight finish, then the lifespan ends.

    On SIGHUP it calls `reload`, if the lifespan has yielded one.
    """

    CONFIG_KWARGS: dict[str, Any] = {  # noqa: RUF012 - the base class declares it so
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        "access_log": False,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.peers = Connections(getattr(self.app, "settings", None))
        protocol = getattr(self.app, "protocol", Protocol)
        self.config.http = partial(protocol, peers=self.peers)
        self.config.timeout_graceful_shutdown = max(1, self.cfg.graceful_timeout - MARGIN)
        logging.getLogger("uvicorn.error").propagate = True  # the base class keeps it from our handler

    def init_signals(self) -> None:
        super().init_signals()
        self._reload_wanted = False
        signal.signal(signal.SIGHUP, self._want_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # see `shared.master.Master`

    def _want_reload(self, *_: Any) -> None:
        self._reload_wanted = True

    def _reload(self, server: Server) -> None:
        if not server.started:
            self._want_reload()
        elif (reload := server.lifespan.state.get("reload")) is not None:
            reload()

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        server = GatheringServer(self.config, self.peers, started=self._started)
        self._install_sigquit_handler()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload, server)
        await server.serve(sockets=self.sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _started(self, server: Server) -> None:
        keep_from_collector()  # a full collection of it would stop all requests for up to 0.1 s
        if self._reload_wanted:
            self._reload(server)

    def handle_exit(self, sig: int, frame: Any) -> None:  # noqa: ARG002 - the signature is gunicorn's
        """SIGQUIT, which gunicorn's master sends when it gets SIGINT: stop as on SIGTERM.

        The base class only notes it, and the worker would run on until it is killed.
        """
        signal.raise_signal(signal.SIGTERM)
