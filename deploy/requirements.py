"""Prints the requirements of a member, one a line, without the members of this workspace.

`requirements.py pyproject.toml shared/pyproject.toml`: the second names what the member's extras of it need.
"""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

NAMED = re.compile(r"(?P<name>[\w.-]+)(\[(?P<extras>[\w, -]+)\])?")


def requirements(pyproject: Path, shared: Path | None = None) -> list[str]:
    document = tomllib.loads(pyproject.read_text())
    members = document.get("tool", {}).get("uv", {}).get("sources", {})
    lines: list[str] = []
    for line in document["project"]["dependencies"]:
        named = NAMED.match(line)
        if named is None or named["name"] not in members:
            lines.append(line)
        elif named["extras"] and shared is not None:
            lines.extend(_extras(tomllib.loads(shared.read_text()), named["extras"]))
    return lines


def _extras(shared: dict[str, Any], extras: str) -> list[str]:
    optional: dict[str, list[str]] = shared["project"]["optional-dependencies"]
    return [line for extra in extras.split(",") for line in optional[extra.strip()]]


if __name__ == "__main__":
    print("\n".join(requirements(*map(Path, sys.argv[1:]))))  # noqa: T201 - a command's answer
