"""An application that runs already and is known by its URL alone: it can be measured, not reconfigured."""

import contextlib
import http.client
import math
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.generate import generate
from loadtests.tuner.measuring.loaded import STABLE, WARM_UP, WARM_UPS, Loaded
from loadtests.tuner.measuring.processes import Use, together, use
from loadtests.tuner.model import AS_IT_RUNS, Configuration, RollOutFailed

_RATE = 30.0  # requests per second of the warm-up
_TCP = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"
_WITHIN = 10.0  # seconds for an answer when nothing else is asked


class RunningTarget(Loaded):
    """Nothing of it is started or stopped. Where its processes are ours to see, their use is read."""

    services: Sequence[str] = (AS_IT_RUNS,)

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._address = urlsplit(app.url)
        self._warm = False

    def roll_out(self, _configuration: Configuration) -> None:
        """Raises RollOutFailed if it does not answer."""
        if not self._answers():
            raise RollOutFailed(f"{self.app.url}{self.app.ready} is not answered with 200")
        self._counts = {AS_IT_RUNS: max(1, len(self._use().workers))}
        before = math.inf
        for step in range(0 if self._warm else WARM_UPS):
            done = generate(self._load(_RATE, WARM_UP, step), self.app.load_cpus)
            if done.median > STABLE * before:
                break
            before = done.median
        self._warm = True

    def close(self) -> None:
        """Nothing was started."""

    def _answers(self) -> bool:
        kind = http.client.HTTPSConnection if self._address.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._address.netloc, timeout=_WITHIN)
        try:
            connection.request("GET", self.app.ready)
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _use(self) -> Use:
        """Of those who listen at the port on this machine, and of what they started."""
        port = self._address.port or {"http": 80, "https": 443}[self._address.scheme]
        return together(use(root) for root in listeners(port)) if self._local else Use()

    @property
    def _local(self) -> bool:
        try:
            here = socket.gethostbyname(self._address.hostname or "")
        except OSError:
            return False
        return here.startswith("127.")

    def _service(self, _module: str) -> str | None:
        return AS_IT_RUNS


def listeners(port: int) -> list[int]:
    """Processes that hold a socket which listens there; not those whose parent does too."""
    sockets = {f"socket:[{inode}]" for file in _TCP for inode in _listening(file, port)}
    found = {pid for pid in psutil.pids() if sockets & _open(pid)}
    return sorted(pid for pid in found if not found & set(_above(pid)))


def _listening(file: Path, port: int) -> Iterator[str]:
    """Inodes of the sockets."""
    for line in file.read_text().splitlines()[1:] if file.exists() else []:
        _, address, _, state, *_, inode = line.split()[:10]
        if state == _LISTEN and int(address.rpartition(":")[2], 16) == port:
            yield inode


def _open(pid: int) -> set[str]:
    """What the process has open; nothing, if that is not ours to see."""
    found = set()
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # it was closed meanwhile
                found.add(str(file.readlink()))
    return found


def _above(pid: int) -> list[int]:
    try:
        return [parent.pid for parent in psutil.Process(pid).parents()]
    except psutil.NoSuchProcess:
        return []
