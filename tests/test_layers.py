"""The layers of `shared`: its core needs no database and no Redis library; services install what they use."""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.testing.programs import unmeasured
from stack.catalogue import services

ROOT = Path(__file__).parent.parent
SHARED = ROOT / "shared"
LIBRARIES = {"database": {"alembic", "asyncpg", "sqlalchemy"}, "redis": {"redis"}}
# Modules that need an extra; all others are the core. `embedded` and `testing` have extras of their own.
LAYERS = {
    "database": {
        "shared.database",
        "shared.keyset",
        "shared.migrations",
        "shared.provision",
        "shared.events.handled",
        "shared.events.outbox",
    },
    "redis": {
        "shared.read_cache",
        "shared.redis",
        "shared.identity.ended_sessions",
        "shared.identity.remote",
        "shared.identity.revocations",
        "shared.events.consumer",
        "shared.events.consumers",
        "shared.events.dead_letters",
        "shared.events.dead_letters_command",
        "shared.events.group",
        "shared.events.newest",
        "shared.events.stream",
    },
    "both": {"shared.events.process", "shared.events.relay"},
}
# The first line of its input is its own, all others are those of forks, and each is answered at the end.
PROGRAM = """
import importlib, json, os, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
for number, line in enumerate(sys.stdin):
    if number and os.fork():
        os.wait()
        print(flush=True)
        continue
    missing, modules = json.loads(line)
    for module in modules:
        importlib.import_module(module)
    if number:
        break
    print(flush=True)
"""


class Importer:
    """A process that imports `modules` where the libraries `missing` do not exist.

    Its forks have them already: most of the time of an import is that of FastAPI and pydantic.
    """

    def __init__(self, missing: set[str], modules: set[str]) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `end` closes it
        self._process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, "-c", PROGRAM],
            env=unmeasured(),
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self.complaint = self.without(missing, modules)

    def without(self, missing: set[str], modules: set[str]) -> str:
        """The same in a fork of it; returns what it complains of."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._errors.seek(0)
        self._errors.truncate()
        self._process.stdin.write(json.dumps([sorted(missing), sorted(modules)]) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()
        self._errors.seek(0)
        return self._errors.read()

    def end(self) -> None:
        self._process.communicate()
        self._errors.close()


@pytest.fixture(scope="module")
def core() -> Iterator[Importer]:
    """The core, in a process without a database library and a Redis library."""
    outside = under(set[str]().union(*LAYERS.values()) | {"shared.embedded", "shared.testing"})
    importer = Importer(LIBRARIES["database"] | LIBRARIES["redis"], all_modules() - outside)
    yield importer
    importer.end()


def all_modules() -> set[str]:
    source = SHARED / "src"
    paths = source.rglob("*.py")
    names = {".".join(path.relative_to(source).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__") for name in names if not name.endswith("__main__")}


def under(names: set[str]) -> set[str]:
    return {module for module in all_modules() if any(f"{module}.".startswith(f"{name}.") for name in names)}


def test_the_core_of_shared_needs_no_database_and_no_redis(core: Importer) -> None:
    assert core.complaint == ""


@pytest.mark.parametrize(("layer", "other"), [("database", "redis"), ("redis", "database")])
def test_neither_extra_needs_the_other(core: Importer, layer: str, other: str) -> None:
    assert core.without(LIBRARIES[other], under(LAYERS[layer])) == ""


@pytest.mark.parametrize("name", services())
def test_a_service_starts_with_the_extras_that_it_names(core: Importer, name: str) -> None:
    service = services()[name]
    document = tomllib.loads((ROOT / service.folder / "pyproject.toml").read_text())
    [line] = [line for line in document["project"]["dependencies"] if line.startswith("facet-shared")]
    extras = set(re.findall(r"[a-z]+", line.removeprefix("facet-shared")))
    missing = set[str]().union(*(LIBRARIES[extra] for extra in LIBRARIES.keys() - extras))
    assert core.without(missing, {f"{service.package}.main"}) == ""
    assert ("database" in extras) == service.database


def test_relays_consumers_and_migrations_start_without_fastapi() -> None:
    """It takes a third of the time in which a relay starts."""
    modules = {process.module for service in services().values() for process in service.processes.values()}
    owners = [service.package for service in services().values() if service.database]
    migrations = {f"{name}.{module}" for name in owners for module in ("migrations.__main__", "tables")}
    assert len(modules) >= 3
    importer = Importer({"fastapi"}, modules | migrations)
    importer.end()
    assert importer.complaint == ""


def test_an_image_has_what_its_members_extras_need() -> None:
    found = {}
    for member in ("services/items", "services/ml-predict"):
        command = [
            sys.executable,
            "deploy/requirements.py",
            f"{member}/pyproject.toml",
            "shared/pyproject.toml",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own
        found[member] = set(re.findall(r"^[\w-]+", done.stdout, re.MULTILINE))
    assert found["services/items"] >= LIBRARIES["database"] | LIBRARIES["redis"]
    assert found["services/ml-predict"] & (LIBRARIES["database"] | LIBRARIES["redis"]) == {"redis"}
