"""Runs the longest test files first and some together, has the stone that tests list and price, and keeps the
folder `gateway` from being taken for the package.
"""

import gc
from typing import Any

import pytest

import gateway  # noqa: F401 - imported to be known: pytest names test modules after their folders
from shared.cpus import usable_cpus
from shared.testing.rewriting import rewrite_all

gc.disable()  # until all is imported and collected: each process of `make test` does it

# Each process of `make test` runs file after file (`--dist loadfile`). A long file that starts last would run
# alone at the end. By default xdist starts the files with most tests first, and the longest have few.
LONGEST = (
    "deploy/stack/tests/test_running.py",
    "services/items/tests/test_processes.py",
    "deploy/stack/tests/test_starting.py",
    "shared/tests/test_serve.py",
    "deploy/stack/tests/test_new_service.py",
    "deploy/stack/tests/test_readme.py",
    "services/ml-predict/tests/test_versions.py",
    "services/users/tests/test_key_rotation.py",
    "gateway/tests/test_under_load.py",
    "services/items/tests/test_faults_under_load.py",
    "services/users/tests/test_faults_under_load.py",
    "tests/test_layers.py",
    "deploy/stack/tests/test_under_load.py",
    "gateway/tests/test_process.py",
    "shared/tests/wire/test_limits.py",
    "tests/crashes/test_crashes.py",
    "tests/test_authorisation.py",
    "gateway/tests/test_malformed.py",
    "gateway/tests/test_disconnect.py",
)


# All files of such a folder run in one process: they share what costs more than they do, the import of
# scikit-learn and the table of diamonds.
TOGETHER = ("services/ml-predict/tests/training",)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """That of `--dist loadfile`, but for TOGETHER."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only where xdist is used

    class ByFileOrFolder(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)

    return ByFileOrFolder(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before xdist starts its processes; not in them."""
    if session.config.getoption("numprocesses", None):
        rewrite_all(session.config, usable_cpus())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    places = {config.rootpath / name: place for place, name in enumerate(LONGEST)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"conftest.py names test files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """The garbage collector need not look again and again at what stays until the end."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture
def diamond() -> dict[str, Any]:
    return {
        "carat": 0.7,
        "cut": "Ideal",
        "color": "G",
        "clarity": "VS2",
        "depth": 61.8,
        "table": 56.0,
        "x": 5.7,
        "y": 5.72,
        "z": 3.53,
    }
