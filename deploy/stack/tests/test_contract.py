# ruff: noqa: T201 - the soak prints its figures
"""The gateway keeps what its OpenAPI document promises. `test_running.py` has the short form."""

from pathlib import Path

import pytest

from stack.testing import Demo

from .conftest import models_beside
from .fuzzing import fuzz


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
def test_every_answer_is_what_the_document_says(new_folder: Path, tmp_path: Path, seed: int) -> None:
    # It guesses thousands of passwords, and signs in between them.
    patient = {"USERS_PAIR_ATTEMPTS": "100000", "USERS_ADDRESS_ATTEMPTS": "100000"}
    running = Demo(new_folder, ML_PREDICT_MODEL_REPOSITORY=models_beside(new_folder), **patient)
    try:
        running.says("Where to look")
        phases = "examples,coverage,fuzzing,stateful"
        options = ("--phases", phases, "--max-examples", "300", "--seed", str(seed))
        cases = fuzz(running, tmp_path, *options)
        print(f"seed {seed}: {cases} cases")
        assert cases >= 10_000
    finally:
        running.end()
