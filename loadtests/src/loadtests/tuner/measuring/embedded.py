"""Facet's embedded stack as a target: all services on this machine, the workers of some of them tuned."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from loadtests.bench.environment import ROOT
from loadtests.bench.rig import free_port
from loadtests.tuner.config import Cpus
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.housekeeping import keep_house
from loadtests.tuner.measuring.journeys import JOURNEYS, SAMPLE, people
from loadtests.tuner.measuring.processes import pin
from loadtests.tuner.measuring.stock import LISTINGS, fill, settle
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo

Knobs = Mapping[str, Sequence[str]]

SERVICES = ("gateway", "users", "items", "ml-predict")
FURTHER = ("USERS_RELAY", "ITEMS_RELAY", "ITEMS_CONSUMER")  # processes beside the web servers
POOLS = {"users": 5, "items": 5}  # database connections of a worker, unless a pool size is given
ROLE = 40  # that the role of one service may open


def pools(knobs: Mapping[str, str]) -> dict[str, str]:
    """Environment for the size of each worker's pool; empty where none is given."""
    size = knobs.get("pool")
    return {f"{name.upper()}_DATABASE_POOL_SIZE": size for name in POOLS} if size else {}


def connections(services: Sequence[str], most: int, sizes: Sequence[int]) -> int:
    """Those that the workers of these services may hold together, of the `most` that the database gives.

    The other processes have a pool each: those of `FURTHER`, and a worker of a service that is not tuned.
    """
    others = len(FURTHER) + len(set(POOLS) - set(services))
    return most - others * max(sizes, default=max(POOLS.values()))


def facet(
    services: Sequence[str],
    command: str,
    where: str,
    slo: Slo,
    limits: Limits,
    cpus: Cpus,
    knobs: Knobs | None,
) -> App:
    """Facet under the journey mix. `command` is for the record."""
    return App(
        name=f"Facet's {_listed(services)}{where}",
        command=command,
        requests=JOURNEYS,
        slo=slo,
        limits=limits,
        ready=f"/items/{SAMPLE}",
        cwd=ROOT,
        target_cpus=cpus.target,
        load_cpus=cpus.load,
        knobs=knobs or {},
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def pinned_later(counts: Mapping[str, int], cpus: Collection[int]) -> Mapping[str, str]:
    """Environment for what `users` derives from its CPUs, because it sees all of them before it is pinned."""
    return {"USERS_HASH_THREADS": str(max(1, len(cpus) // counts.get("users", 1)))} if cpus else {}


class EmbeddedTarget(CommandTarget):
    """`services` are tuned; the others run one worker each.

    Every start begins with a copy of the same data: what a first start made, with many listings.
    """

    start_within = 90.0
    listings = LISTINGS
    fork_server = False  # what processes share there, they do not share in containers: it would hide memory

    def __init__(
        self, services: Sequence[str], slo: Slo, limits: Limits, cpus: Cpus, knobs: Knobs | None = None
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="facet-tune-"))
        self._folder.chmod(0o755)  # Postgres is another user when root runs this
        self.services = tuple(services)
        super().__init__(facet(services, ".venv/bin/python -m stack", "", slo, limits, cpus, knobs))

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _kept(self) -> Path:
        """What the first start made."""
        return self._folder / "first"

    def close(self) -> None:
        super().close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def make_ready(self) -> None:
        """If it fails, the first start tries again, and says why it cannot."""
        self._port = free_port()
        with contextlib.suppress(RollOutFailed):
            self._first()

    def _reset(self) -> None:
        if not self._kept.exists():
            self._first()
        shutil.rmtree(self._data, ignore_errors=True)
        subprocess.run(["cp", "-a", self._kept, self._data], check=True)  # noqa: S603, S607 - it keeps the owners

    def _first(self) -> None:
        """Raises RollOutFailed."""
        shutil.rmtree(self._data, ignore_errors=True)
        try:
            self._start(Configuration.of(dict.fromkeys(SERVICES, 1)))
            self._wait()
            self._wait((self._data / "sample-loaded").exists, "the sample was not loaded")
            fill(self._port, self.listings)
            settle(self._use)
            keep_house(self._data, *POOLS)
        finally:
            self._stop()
        self._data.rename(self._kept)

    def _affinity(self) -> None:
        """It starts on all CPUs, because that takes half as long, and is pinned when it is ready."""

    def _prepare_load(self) -> None:
        if self._process and self.app.target_cpus:
            pin(self._process.pid, self.app.target_cpus)
        self.values = dict(people(self._port))

    def _arguments(self, _configuration: Configuration) -> list[str]:
        return [str(ROOT / ".venv/bin/python"), "-m", "stack", "--folder", str(self._data)]

    def _environment(self, configuration: Configuration) -> dict[str, str]:
        counts = {**dict.fromkeys(SERVICES, 1), **dict(configuration.workers)}
        given = {"GATEWAY_PORT": str(self._port), **pinned_later(counts, self.app.target_cpus)}
        given |= pools(dict(configuration.knobs)) | {"FACET_FORK_SERVER": str(self.fork_server)}
        for service in SERVICES:
            prefix = service.upper().replace("-", "_")
            given[f"{prefix}_WORKERS"] = str(counts[service])
            given[f"{prefix}_METRICS_PORT"] = str(free_port())
            given.setdefault(f"{prefix}_PORT", str(free_port()))
        return given | {f"{process}_METRICS_PORT": str(free_port()) for process in FURTHER}

    def _service(self, module: str) -> str | None:
        name = module.replace("_", "-")
        return name if name in self.services else None
