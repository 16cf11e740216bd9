"""The stack's commands when they cannot do what is asked: one line, and a status that is not 0."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.testing.programs import begin


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


def run(folder: Path, *words: str, **variables: str) -> Ended:
    """With no stack in `folder`, and no Docker on the path."""
    environment = {"FACET_FOLDER": str(folder), "PATH": str(folder), **variables}
    outputs = [folder / "stdout", folder / "stderr"]
    process = begin("-m", *words, environment=environment, outputs=outputs)
    return Ended(process.wait(60), *(output.read_text() for output in outputs))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("stack.dev", "items"), "start it with make demo"),
        (("stack.inside", "users", "users.admin"), "the system does not run"),
        (("stack.inside",), "usage: python -m stack.inside"),
        (("stack.logs", "an-id"), "no log line has the id an-id"),
        (("stack.logs",), "there are no logs"),
        (("stack.new_service", "items"), "there is a service items already"),
        (("stack.migration", "ml-predict", "nothing"), "invalid choice"),
    ],
)
def test_a_command_says_in_one_line_why_it_does_nothing(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    done = run(tmp_path, *words)
    assert done.returncode != 0
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_the_journey_fails_in_one_line_where_nobody_listens(tmp_path: Path, closed_port: int) -> None:
    done = run(tmp_path, "stack.journey", f"http://127.0.0.1:{closed_port}")
    assert done.returncode == 1
    assert "failed: Is it alive?" in done.stdout


def test_production_starts_without_a_sample(tmp_path: Path, closed_port: int) -> None:
    """With nothing to list, nobody is asked."""
    url = f"http://127.0.0.1:{closed_port}"
    done = run(tmp_path, "stack.journey.sample", "--users", url, "--items", url, ENVIRONMENT="production")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0 real diamonds listed\n"
