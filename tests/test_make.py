"""Targets that have to be told something say so, with an example, before they start anything."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("given", "example"),
    [
        ("dev", "make dev SERVICE=items"),
        ("admin", "make admin EMAIL=ada@example.com"),
        ("migration", "make migration SERVICE=items"),
        ("migration SERVICE=items", 'make migration MESSAGE="add a colour"'),
        ("new-service", "make new-service NAME=orders"),
        ("import-items", "make import-items FILE=stones.ndjson"),
        ("export-items", "make export-items FILE=stones.ndjson"),
    ],
)
def test_a_target_without_what_it_needs_shows_an_example(given: str, example: str) -> None:
    asked = subprocess.run(["make", *given.split()], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607 - ours
    assert asked.returncode == 2
    assert f"tell it which: {example}" in asked.stderr
    assert "Traceback" not in asked.stderr
