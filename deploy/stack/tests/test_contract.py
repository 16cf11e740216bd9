"""The gateway keeps what its OpenAPI document promises. `test_running.py` has the short form."""

from pathlib import Path

import pytest

from stack.testing import Demo

from .fuzzing import fuzz_everything


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_every_answer_is_what_the_document_says(new_folder: Path, tmp_path: Path, seed: int) -> None:
    running = Demo(new_folder)
    try:
        running.says("Where to look")
        phases = "examples,coverage,fuzzing,stateful"
        fuzz_everything(running, tmp_path, "--phases", phases, "--max-examples", "100", "--seed", str(seed))
    finally:
        running.end()
