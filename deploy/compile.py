"""Writes a copy of packages in which some modules are compiled by mypyc, to be first on PYTHONPATH.

`compile.py TARGET pyproject.toml SOURCE…`: `[tool.facet]` of the pyproject names the modules, each SOURCE is
a folder of packages. `compile.py --check` fails where that could not be done. A copy, because Python takes
a compiled module before its source: beside the sources it would hide the next edit.
"""

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution
from setuptools.errors import BaseError

CONFIG = Path(__file__).resolve().parent.parent / "pyproject.toml"  # how mypy reads our code


def compile_into(target: Path, modules: Sequence[str], sources: Sequence[Path]) -> None:
    """Replaces `target`. Raises SystemExit when something cannot be compiled."""
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        for source in sources:
            shutil.copytree(source, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        paths = [module.replace(".", "/") + ".py" for module in modules]
        # One group: a class can inherit from one that is compiled together with it.
        distribution = Distribution({"ext_modules": mypycify([f"--config-file={CONFIG}", *paths])})
        build = distribution.get_command_obj("build_ext")
        build.ensure_finalized()
        build.inplace = True
        try:
            build.run()
        except BaseError as error:
            raise SystemExit(f"compile: {error}") from None
        shutil.rmtree("build")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(work, target)


def check_tools() -> None:
    """Raises SystemExit when there is no C compiler, or Python came without what it needs."""
    compiler = str(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        raise SystemExit(f"compile: no C compiler: {compiler} (Debian: apt install gcc libc6-dev)")
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        raise SystemExit("compile: this Python came without Python.h (Debian: apt install python3-dev)")


if __name__ == "__main__":
    check_tools()
    if sys.argv[1:] == ["--check"]:
        raise SystemExit
    into, pyproject, *folders = map(Path, sys.argv[1:])
    declared = tomllib.loads(pyproject.read_text())["tool"]["facet"]["compiled"]
    compile_into(into.absolute(), declared, [folder.absolute() for folder in folders])
