"""Forks processes of our programs, with what most of them import already there: `python fork_server.py`.

stdin is a socket. Each line on it is a request, and is answered by a line: see `shared.embedded.forking`.
It runs as a file, because `python -m` would import our packages. Its arguments are further modules to import.
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
NOTHING = 0  # in place of a process id: its output could not be opened


def preload(*further: str) -> None:
    """What cannot be imported is left to the service that needs it: its log will say so."""
    gc.disable()  # there is nothing to collect yet
    for name in (*PRELOADED, *further):
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
        if "words" in request:
            outputs: list[int] = []
            try:
                for path in request["outputs"]:
                    outputs.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))  # noqa: PERF401 - those before a failure are closed
                if not (answer := os.fork()):
                    return {**request, "outputs": outputs}
                lead_a_group(answer)
            except OSError:
                answer = NOTHING
            for opened in outputs:
                os.close(opened)
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


def become(words: list[str], environment: dict[str, str], outputs: list[int]) -> None:
    """The process looks as if `python <words>` had started it."""
    from setproctitle import setproctitle  # noqa: PLC0415 - the server itself needs none

    lead_a_group(0)
    null = os.open(os.devnull, os.O_RDONLY)
    for opened, standard in ((null, 0), (outputs[0], 1), (outputs[-1], 2)):
        os.dup2(opened, standard)
    for opened in (null, *outputs):
        os.close(opened)
    setproctitle(f"{sys.executable} {' '.join(words)}")
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    sys.argv[:] = [words[0], *words[2:]]
    if "COVERAGE_PROCESS_CONFIG" in environment:  # then a file in site-packages does the same at each start
        importlib.import_module("coverage").process_startup()


def run(words: list[str]) -> None:
    """`-m module …` or `-c program …`."""
    if words[0] == "-m":
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        exec(words[1], {"__name__": "__main__"})  # noqa: S102 - as `python -c` would


def main() -> None:
    preload(*sys.argv[1:])
    if request := answer_requests():
        become(**request)
        run(request["words"])


if __name__ == "__main__":
    main()
