"""Folders for stacks, and a way to start one that is certainly ended."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stack.catalogue import ROOT
from stack.testing import Demo


def models_beside(folder: Path) -> str:
    """A repository of a stack's own: what is loaded and unloaded there is remembered beside the models."""
    return str(shutil.copytree(ROOT / "services/ml-predict/models", folder.parent / "models"))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not pytest's own: as root Postgres runs as another user, who may not pass through those."""
    with tempfile.TemporaryDirectory(prefix="facet-stack-", ignore_cleanup_errors=True) as made:
        yield Path(made) / "facet"


@pytest.fixture(scope="module")
def models(folder: Path) -> str:
    return models_beside(folder)


@pytest.fixture
def new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="facet-stack-", ignore_cleanup_errors=True) as made:
        yield Path(made) / "facet"


@pytest.fixture
def start(new_folder: Path) -> Iterator[Callable[..., Demo]]:  # it ends before its folder goes
    """`start(folder, "--exit")`; whatever the test makes of it, it is ended."""
    with contextlib.ExitStack() as stack:

        def begin(*given: Any, **options: Any) -> Demo:
            started = Demo(*given, **options)
            stack.callback(started.end)
            return started

        yield begin
