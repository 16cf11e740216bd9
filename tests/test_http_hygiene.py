"""The page about what the gateway lets through names tests that exist, in each row."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "http-hygiene.md"
NAMED = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
FIRST_COLUMN = re.compile(r"^\| (?!what \||---|\*\*)", re.MULTILINE)


def functions_of(file: str) -> set[str]:
    folder = ROOT / ("shared/tests" if file.startswith("shared/") else "gateway/tests")
    tree = ast.parse((folder / file.removeprefix("shared/")).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree.body if isinstance(node, kinds)}


def test_each_row_names_a_test() -> None:
    page = PAGE.read_text()
    rows = [page[found.start() :].partition("\n")[0] for found in FIRST_COLUMN.finditer(page)]
    assert len(rows) > 40
    assert [row for row in rows if not NAMED.search(row)] == []


def test_each_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE.read_text())
    missing = [f"{file}::{name}" for file, name in named if name not in functions_of(file)]
    assert missing == []
