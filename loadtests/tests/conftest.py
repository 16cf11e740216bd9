"""Runs the longest test files first: one that starts last would run alone at the end."""

import gc

import pytest

gc.disable()  # until all is imported and collected: each process of `make test` does it

LONGEST = (
    "tuner/test_embedded.py",
    "tuner/test_guide.py",
    "tuner/test_command.py",
    "tuner/test_locustfile.py",
    "test_scenarios.py",
    "tuner/test_cli.py",
    "tuner/test_calibration.py",
    "tuner/test_population.py",
    "test_stall.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    places = {config.rootpath / "tests" / name: place for place, name in enumerate(LONGEST)}
    if gone := [str(path) for path in places if not path.exists()]:
        raise pytest.UsageError(f"conftest.py names test files that are gone: {', '.join(gone)}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """The garbage collector need not look again and again at what stays until the end."""
    gc.collect()
    gc.freeze()
    gc.enable()
