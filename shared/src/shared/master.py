"""gunicorn, told in Python what it has to know: its options, its log, and what SIGHUP does."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from shared.logging import get_logger
from shared.memory import keep_from_collector
from shared.settings import DatabaseSettings, ServiceSettings, load_settings

log = get_logger()


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """The application, as gunicorn sees it."""

    def __init__(
        self, create_app: Callable[[Any], Any], settings: ServiceSettings, protocol: type[Any]
    ) -> None:
        self._create_app = create_app
        self.settings = settings
        self.protocol = protocol
        self.reloads_in_place = False
        super().__init__()

    def run(self) -> None:
        Master(self).run()

    def load_config(self) -> None:
        for name, value in gunicorn_options(self.settings).items():
            self.cfg.set(name, value)
        self.cfg.set("child_exit", _forget_worker)
        self.cfg.set("when_ready", _share_memory)

    def load(self) -> Any:
        """Called in each worker, after the fork."""
        return self._create_app(self.settings)

    def reload(self) -> None:
        self.read_settings()
        super().reload()

    def read_settings(self) -> bool:
        """On SIGHUP: new settings if they are right, the old ones if not. False if they were not."""
        try:
            settings = load_settings(type(self.settings))
            check_database(settings, settings.worker_count)
        except (SystemExit, OSError, RuntimeError) as error:  # the last one: there may be no more threads
            log.error("reload_refused", reason=str(error))  # noqa: TRY400 - the reason is the whole story
            return False
        self.settings = settings
        return True


class Master(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's master, which leaves a reload to its workers where no setting itself has changed."""

    def handle_hup(self) -> None:
        before = self.app.settings
        if not self.app.reloads_in_place:
            super().handle_hup()
        elif self.app.read_settings():
            if self.app.settings == before:
                self.kill_workers(signal.SIGHUP)
            else:
                super().handle_hup()

    def spawn_worker(self) -> Any:
        """The worker lets SIGHUP in once it can handle it: at first it would end by it.

        Where there are no more processes, descriptors or memory, the master's loop tries again a second
        later; gunicorn would end the master, and with it the workers that there are.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return super().spawn_worker()
        except OSError as error:
            log.error("worker_not_started", reason=str(error))  # noqa: TRY400 - the same
            return None
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def gunicorn_options(settings: ServiceSettings) -> dict[str, Any]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    binds = [f"{host}:{settings.port}"]
    if settings.metrics_port:
        binds.append(f"{host}:{settings.metrics_port}")
    return {
        "bind": binds,
        "workers": settings.worker_count,
        "worker_class": "shared.worker.Worker",
        "proc_name": settings.service,
        "timeout": 60,  # a worker whose event loop has stood still for a minute is replaced
        "graceful_timeout": settings.graceful_timeout,
        "backlog": 2048,
        "worker_tmp_dir": "/dev/shm" if sys.platform == "linux" else None,  # noqa: S108 - a heartbeat that never waits for a disk
        "control_socket_disable": True,
        "logger_class": "shared.master.Log",
    }


class Log(glogging.Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's own lines, handed to the handler that all others go through."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self.loglevel = logging.getLogger().getEffectiveLevel()
        self._access_log_enabled = False
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)


def _share_memory(_: Any) -> None:
    """What the master has loaded is taken out of the collector's sight, so that workers go on sharing it."""
    keep_from_collector()
    gc.enable()


def _forget_worker(_: Any, worker: Any) -> None:
    """Gauges of a dead worker no longer count."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - see shared.serve

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # prometheus_client has types in part


def check_database(settings: Any, workers: int) -> None:
    """Raises SystemExit if all workers together may open more connections than there can be."""
    if isinstance(settings, DatabaseSettings):
        from shared.database import check_capacity  # noqa: PLC0415 - a service without a database loads none

        if warning := asyncio.run(check_capacity(settings, workers)):
            log.warning("capacity_not_checked", reason=warning)
