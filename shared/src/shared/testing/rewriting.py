"""Rewrites the assertions of all test modules before many processes come to do it, each for itself.

pytest keeps what it has rewritten, but in a fresh checkout the processes of pytest-xdist come to each module
at the same moment: 4 s of CPU for each of them. pytest has no public way to do it beforehand.
"""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

PATTERNS = ("test_*.py", "conftest.py")


def rewrite_all(config: pytest.Config, processes: int) -> None:
    """Those in the folders of `testpaths`, by as many forks of this process."""
    if sys.dont_write_bytecode or config.getoption("assertmode") != "rewrite":
        return
    folders = [config.rootpath / name for name in config.getini("testpaths")]
    files = sorted({file for folder in folders for pattern in PATTERNS for file in folder.rglob(pattern)})
    children = []
    for place in range(processes):
        child = os.fork()
        if not child:
            try:
                _rewrite(config, files[place::processes])
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


def _rewrite(config: pytest.Config, files: Sequence[Path]) -> None:
    state = config.stash[rewrite.assertstate_key]
    for file in files:
        folder = rewrite.get_cache_dir(file)
        kept = folder / (file.name.removesuffix(".py") + rewrite.PYC_TAIL)
        if rewrite._read_pyc(file, kept) is None and rewrite.try_makedirs(folder):
            with contextlib.suppress(SyntaxError):  # collecting it will say so
                digest, code = rewrite._rewrite_test(file, config)
                rewrite._write_pyc(state, code, digest, kept)
