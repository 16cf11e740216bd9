"""Prints the requirements of a member, one a line, without the members of this workspace."""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path) -> list[str]:
    document = tomllib.loads(pyproject.read_text())
    members = document.get("tool", {}).get("uv", {}).get("sources", {})
    return [line for line in document["project"]["dependencies"] if line not in members]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]))))  # noqa: T201 - a command's answer
