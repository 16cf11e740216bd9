"""Runs a service under gunicorn: `python -m items` comes here."""

import contextlib
import gc
import importlib
import os
import shutil
import socket
import sys
import tempfile
from typing import Any

from gunicorn.errors import HaltServer

from shared.descriptors import raise_descriptor_limit
from shared.logging import configure_logging
from shared.master import Server, check_database
from shared.ports import cannot_listen
from shared.settings import ServiceSettings, load_settings

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def serve(
    application: str,
    settings_class: str,
    protocol: str = "shared.direct:DirectConnection",
    *,
    reloads_in_place: bool = False,
) -> None:
    """Serve `package.module:create_app` with the settings class at `package.module:Class`.

    `protocol` names the class of client connections, a subclass of `shared.wire.Protocol`.

    SIGHUP reads the settings again and replaces the workers; settings that are wrong change nothing. With
    `reloads_in_place`, workers stay if only what settings refer to has changed (see `shared.worker`).
    Raises SystemExit with one line when the service must not start.
    """
    # prometheus_client looks at this when it is imported, so it comes before the application.
    if "prometheus_client" in sys.modules:
        raise RuntimeError("the application was imported before serve(): its workers would have no metrics")
    folder = os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix="facet-metrics-")
    master = os.getpid()
    gc.disable()  # collections while the application is imported find nothing and take a tenth of the start
    try:
        settings = load_settings(_resolve(settings_class))
        configure_logging(settings)
        check_database(settings, settings.worker_count)
        check_ports(settings)
        raise_descriptor_limit(settings.max_connections)
        server = Server(_resolve(application), settings, _resolve(protocol))
        server.reloads_in_place = reloads_in_place
        server.run()
    except HaltServer as halted:  # gunicorn lets it out when a second worker fails to boot while it halts
        raise SystemExit(halted.exit_status) from None
    finally:
        gc.enable()
        if os.getpid() == master:
            shutil.rmtree(folder, ignore_errors=True)


def _resolve(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def check_ports(settings: ServiceSettings) -> None:
    """Raises SystemExit with one line where gunicorn would try for five seconds and say so each time."""
    with contextlib.ExitStack() as opened:
        for port in (settings.port, settings.metrics_port):
            try:
                if port:
                    _listen(settings.host, port, opened)
            except OSError as error:
                raise cannot_listen(settings.host, port, error) from None


def _listen(host: str, port: int, opened: contextlib.ExitStack) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    tried = opened.enter_context(socket.socket(family, kind, protocol))
    tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
    tried.bind(address)
    tried.listen(1)  # two may bind a port with SO_REUSEADDR; only one may listen
