"""One run of the embedded stack, started as `make demo` starts it."""

import contextlib
import json
import os
import secrets
import tempfile
from pathlib import Path

from shared.testing.programs import begin, unmeasured
from shared.testing.waiting import eventually
from stack.catalogue import ROOT, services
from stack.ports import is_free
from stack.settings import metrics_variable

TIMEOUT = 110.0  # seconds
PORTS = range(12_000, 32_000)
SHARE = 1000  # of the ports: each process of pytest-xdist has its own
# As `python -m stack`. Coverage measures the stack itself and not the services in it, which have tests of
# their own: measured, each of them takes twice the CPU time.
PROGRAM = """
import contextlib, json, os, runpy, sys
spare, root, measured = sys.argv[1:4]
del sys.argv[1:4]
os.chdir(root)
if spare:
    with contextlib.suppress(ModuleNotFoundError):  # of a wheel: the stack says so
        runpy.run_path(spare, run_name="spare")
if measured := json.loads(measured):
    import coverage
    os.environ.update(measured)
    coverage.process_startup()
    for name in measured:
        del os.environ[name]
runpy.run_module("stack", run_name="__main__", alter_sys=True)
"""
SPARE = str(Path(__file__).with_name("spare.py"))


class Demo:
    """One run of the stack. Its output goes to a file, which can be waited on."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        ports: dict[str, str] | None = None,
        root: Path = ROOT,
        spare: bool = True,
        **changed: str,
    ) -> None:
        """`changed` are variables of its environment; `root` is the checkout that is run.

        Without `spare` its fork server is started as ever, and the services as late.
        """
        self.folder = folder
        self._masters: dict[str, int] = {}
        self.ports = ports or free_ports(root)
        self.gateway = f"http://127.0.0.1:{self.ports['GATEWAY_PORT']}"
        self.environment = {**os.environ, **self.ports, "FACET_FOLDER": str(folder)}
        handle, name = tempfile.mkstemp(prefix="facet-demo-")
        self._output = Path(name)
        os.close(handle)
        given = {**unmeasured(), **self.ports, "FACET_FOLDER": str(folder), **changed}
        measured = json.dumps({name: value for name, value in os.environ.items() if name.startswith("COV")})
        words = ["-c", PROGRAM, SPARE * spare, str(root), measured, "--folder", str(folder), *options]
        self.process = begin(*words, environment=given, outputs=[self._output])

    @property
    def output(self) -> str:
        return self._output.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said `text`."""
        eventually(lambda: text in self.output or self.process.poll() is not None)
        assert text in self.output, self.output  # noqa: S101 - for tests

    def status(self) -> int:
        """Wait until it has ended."""
        return self.process.wait(TIMEOUT)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(TIMEOUT)
        self._output.unlink(missing_ok=True)

    def processes(self, command: str = "") -> dict[int, str]:
        """Whatever runs for this folder: names it in its command line, works in it, or has its log there.

        Those that have `command` in their command line: tests ask in a loop, and looking at each costs.
        """
        mark = str(self.folder).encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes()
                words = line.replace(b"\0", b" ").decode(errors="replace")
                if command not in words:
                    continue
                places = [os.fsencode((entry / place).readlink()) for place in ("cwd", "fd/2")]
                signs = (line, (entry / "environ").read_bytes(), *places)
                if any(mark in sign for sign in signs):
                    found[int(entry.name)] = words
        return found

    def process_of(self, command: str) -> int:
        """The oldest process whose command line has `command` in it: a server, not its workers."""
        return min(self.processes(command))

    def workers(self, package: str) -> set[int]:
        """The worker processes of a service at this moment. Cheap, so that it can be asked in a loop."""
        children = Path(f"/proc/{self.master(package)}/task/{self.master(package)}/children")
        return {int(word) for word in children.read_text().split()}

    def master(self, package: str) -> int:
        """gunicorn's process: it stays the same over reloads."""
        if package not in self._masters:
            self._masters[package] = self.process_of(f"master [{package.replace('_', '-')}]")
        return self._masters[package]


def port_variables(root: Path = ROOT) -> list[str]:
    """`GATEWAY_PORT`, `GATEWAY_METRICS_PORT`, `USERS_RELAY_METRICS_PORT` and so on."""
    listed = services(root / "services.toml").values()
    processes = [name for service in listed for name in (service.name, *service.processes)]
    return [f"{service.variable}_PORT" for service in listed] + [metrics_variable(name) for name in processes]


def free_ports(root: Path = ROOT) -> dict[str, str]:
    """Below the range that the kernel gives to outgoing connections, which would take a port meanwhile.

    Tests that run at the same time choose from others: what one has chosen may not be open yet.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = process * SHARE % len(PORTS)
    ports = PORTS[first : first + SHARE]
    found: dict[str, str] = {}
    for name in port_variables(root):
        while True:
            port = secrets.choice(ports)
            if str(port) not in found.values() and is_free(port):
                found[name] = str(port)
                break
    return found
