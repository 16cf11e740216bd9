"""What is compiled for the gateway's image is there, and has nothing that mypyc gets wrong."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway/pyproject.toml"
COMPILED: list[str] = tomllib.loads(GATEWAY.read_text())["tool"]["facet"]["compiled"]


def source(module: str) -> Path:
    package = "shared" if module.startswith("shared.") else "gateway"
    return ROOT / package / "src" / f"{module.replace('.', '/')}.py"


@pytest.mark.parametrize("module", COMPILED)
def test_a_compiled_module_awaits_nothing(module: str) -> None:
    tree = ast.parse(source(module).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


def test_every_stage_and_all_of_the_wire_are_listed_or_known_not_to_be() -> None:
    """A module that was forgotten would be slow, and nobody would see it."""
    folder = ROOT / "gateway/src/gateway"
    files = [*(folder / "stages").glob("[!_]*.py"), *(folder / "wire").glob("[!_]*.py")]
    there = {f"gateway.{path.parent.name}.{path.stem}" for path in files}
    left_out = {
        "gateway.wire.connecting",  # waits
        "gateway.wire.exceptions",  # attributes of the class
        "gateway.wire.handshake",  # once for a WebSocket
    }
    assert there - set(COMPILED) == left_out


def test_without_a_c_compiler_it_says_what_is_missing() -> None:
    command = [sys.executable, str(ROOT / "deploy/compile.py"), "--check"]
    environment = {"CC": "no-such-compiler", "PATH": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 1
    assert done.stderr.startswith("compile: no C compiler: ")
    assert len(done.stderr.splitlines()) == 1
