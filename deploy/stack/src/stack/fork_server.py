"""Forks the services' processes, with what most of them import already there: `python -m stack.fork_server`.

stdin is a socket. Each line on it is a request, and is answered by a line: see `stack.forking`.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import sys
from typing import Any

# Third-party modules only, so that a service that is started again has its code as it is now. None may start
# a thread or import prometheus_client, which has to know each service's folder (see `shared.serve`).
PRELOADED = (
    "alembic.command",
    "asyncpg",
    "cryptography.hazmat.primitives.asymmetric.ec",
    "fastapi",
    "gunicorn.app.base",
    "gunicorn.arbiter",
    "gunicorn.glogging",
    "httptools",
    "httpx2",
    "jwt",
    "pydantic_settings",
    "redis.asyncio",
    "setproctitle",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "structlog",
    "uvicorn",
    "uvicorn.protocols.http.httptools_impl",
    "wsgiref.simple_server",  # for prometheus_client
)
UNKNOWN = 255  # the exit status of a process that is not, or no longer, a child


def preload() -> None:
    """What cannot be imported is left to the service that needs it: its log will say so."""
    gc.disable()  # there is nothing to collect yet
    for name in PRELOADED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # a collection in a child would copy the memory that it shares
    gc.enable()


def answer_requests() -> dict[str, Any] | None:
    """Returns in each child, with the request for it; in the server at the end, with None.

    What has no member is answered too: it asks whether the server is ready.
    """
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "module" in request:
            if not (child := os.fork()):
                return dict(request)
            lead_a_group(child)
            answer = child
        else:
            answer = status(request["status"]) if request else os.getpid()
        os.write(sys.stdin.fileno(), json.dumps(answer).encode() + b"\n")
    return None


def lead_a_group(child: int) -> None:
    """Both do it: the child before it runs, and the server before it answers."""
    with contextlib.suppress(OSError):
        os.setpgid(child, child)


def status(child: int) -> int:
    """Of a child that has ended, as that of `subprocess`: a signal's number is negative."""
    try:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:
        return UNKNOWN


def become(module: str, environment: dict[str, str], log: str) -> None:
    """The process looks as if `python -m <module>` had started it."""
    from setproctitle import setproctitle  # noqa: PLC0415 - the stack itself needs none

    lead_a_group(0)
    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for opened, standard in ((null, 0), (output, 1), (output, 2)):
        os.dup2(opened, standard)
    os.close(null)
    os.close(output)
    setproctitle(f"{sys.executable} -m {module}")
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[:] = [module]


def main() -> None:
    preload()
    if request := answer_requests():
        become(**request)
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
