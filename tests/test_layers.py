"""The layers of `shared`: its core needs no database and no Redis library; services install what they use."""

import re
import subprocess
import sys
import tomllib
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
IMPORT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {missing}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
for module in {modules}:
    importlib.import_module(module)
"""


def import_without(missing: set[str], modules: set[str]) -> str:
    """Imports them in a process where these libraries do not exist; returns what it complains of."""
    code = IMPORT.format(missing=missing, modules=sorted(modules))
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], env=unmeasured(), capture_output=True, text=True, check=False
    )
    return done.stderr


def all_modules() -> set[str]:
    source = SHARED / "src"
    paths = source.rglob("*.py")
    names = {".".join(path.relative_to(source).with_suffix("").parts) for path in paths}
    return {name.removesuffix(".__init__") for name in names if not name.endswith("__main__")}


def under(names: set[str]) -> set[str]:
    return {module for module in all_modules() if any(f"{module}.".startswith(f"{name}.") for name in names)}


def test_the_core_of_shared_needs_no_database_and_no_redis() -> None:
    outside = under(set[str]().union(*LAYERS.values()) | {"shared.embedded", "shared.testing"})
    assert import_without(LIBRARIES["database"] | LIBRARIES["redis"], all_modules() - outside) == ""


@pytest.mark.parametrize(("layer", "other"), [("database", "redis"), ("redis", "database")])
def test_neither_extra_needs_the_other(layer: str, other: str) -> None:
    assert import_without(LIBRARIES[other], under(LAYERS[layer])) == ""


@pytest.mark.parametrize("name", services())
def test_a_service_starts_with_the_extras_that_it_names(name: str) -> None:
    service = services()[name]
    document = tomllib.loads((ROOT / service.folder / "pyproject.toml").read_text())
    [line] = [line for line in document["project"]["dependencies"] if line.startswith("facet-shared")]
    extras = set(re.findall(r"[a-z]+", line.removeprefix("facet-shared")))
    missing = set[str]().union(*(LIBRARIES[extra] for extra in LIBRARIES.keys() - extras))
    assert import_without(missing, {f"{service.package}.main"}) == ""
    assert ("database" in extras) == service.database


def test_relays_consumers_and_migrations_start_without_fastapi() -> None:
    """It takes a third of the time in which a relay starts."""
    modules = {process.module for service in services().values() for process in service.processes.values()}
    owners = [service.package for service in services().values() if service.database]
    migrations = {f"{name}.{module}" for name in owners for module in ("migrations.__main__", "tables")}
    assert len(modules) >= 3
    assert import_without({"fastapi"}, modules | migrations) == ""


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
