"""Loading a model version that can be trusted, and asking it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml_predict.exceptions import CardDiffers, ModelFileCorrupt, ModelMissing
from ml_predict.model import Model
from ml_training.card import PriceCard
from ml_training.data import Split

Predict = Callable[..., list[dict[str, float]]]
THREADS = Path("/proc/self/task")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "model")


def edit_card(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((folder / "card.json").read_text())
    edit(facts)
    (folder / "card.json").write_text(json.dumps(facts))


def test_the_committed_file_is_the_one_its_card_was_written_for(folder: Path, card: PriceCard) -> None:
    onnx = (folder / "model.onnx").read_bytes()
    assert (hashlib.sha256(onnx).hexdigest(), len(onnx)) == (card.artefact.sha256, card.artefact.bytes)


def test_the_model_says_which_one_it_is(model: Model, folder: Path) -> None:
    assert (model.ref.name, model.ref.version) == (folder.parent.name, folder.name)


def test_one_flipped_bit_is_refused(copy: Path) -> None:
    onnx = bytearray((copy / "model.onnx").read_bytes())
    onnx[len(onnx) // 2] ^= 1
    (copy / "model.onnx").write_bytes(onnx)
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt: its SHA-256 is"):
        Model.load(copy)


def test_what_matches_its_digest_but_is_no_graph_is_refused(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    edit_card(copy, lambda facts: facts["artefact"].update(sha256=hashlib.sha256(b"no graph").hexdigest()))
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt"):
        Model.load(copy)


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelMissing, match=f"{name} is missing"):
        Model.load(copy)


def test_a_file_that_cannot_be_read_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").mkdir()
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt: .*directory"):
        Model.load(copy)


def test_a_cut_off_card_is_refused(copy: Path) -> None:
    (copy / "card.json").write_text((copy / "card.json").read_text()[:200])
    with pytest.raises(ModelFileCorrupt, match=r"card\.json is corrupt"):
        Model.load(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts["features"].pop(),
        lambda facts: facts["features"][0].update(size=2),
        lambda facts: facts.update(input="rows"),
        lambda facts: facts["outputs"][0].update(name="price"),
        lambda facts: facts["outputs"][0]["columns"].pop(),
    ],
    ids=["one less", "a wider one", "another input", "another output", "another number of columns"],
)
def test_a_card_that_describes_another_graph_is_refused(
    copy: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    edit_card(copy, lambda facts: facts.pop("explanation"))  # which would not fit the card any longer
    edit_card(copy, edit)
    with pytest.raises(CardDiffers, match=r"card\.json does not fit its model"):
        Model.load(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts.pop("input"),
        lambda facts: facts["features"][1].pop("categories"),
        lambda facts: facts["features"][1].update(name="carat"),
        lambda facts: facts["features"][1].update(size=3),
        lambda facts: facts["artefact"].update(file="../../model.onnx"),
    ],
    ids=["no input", "a category without categories", "two of one name", "a wide category", "a path"],
)
def test_a_card_that_contradicts_itself_is_refused(
    copy: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    edit_card(copy, edit)
    with pytest.raises(ModelFileCorrupt, match=r"card\.json is corrupt"):
        Model.load(copy)


def test_every_price_lies_in_its_interval_and_is_rounded_to_cents(predict: Predict, parts: Split) -> None:
    predictions = predict(diamonds_of(parts, 2000))
    assert len(predictions) == 2000
    for prediction in predictions:
        assert 0 < prediction["low"] <= prediction["estimate"] <= prediction["high"]
        assert prediction["estimate"] == round(prediction["estimate"], 2)


def test_a_row_has_the_same_price_alone_and_in_a_batch(predict: Predict, parts: Split) -> None:
    rows = diamonds_of(parts, 50)
    assert [predict([row])[0] for row in rows] == predict(rows)


def test_a_flawed_stone_has_a_wider_interval_than_a_clean_one(
    predict: Predict, diamond: dict[str, Any]
) -> None:
    flawed, clean = predict([diamond | {"clarity": "I1"}, diamond | {"clarity": "VS1"}])
    assert flawed["high"] / flawed["low"] > clean["high"] / clean["low"]


def test_warming_up_changes_no_answer(folder: Path, model: Model) -> None:
    warmed = Model.load(folder)
    warmed.warm_up()
    rows = model.example(3)
    assert all(map(np.array_equal, warmed.run(rows), model.run(rows)))


def test_serving_needs_nothing_that_only_training_needs() -> None:
    program = "import sys, ml_predict.model; print(*sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert not {"ml_training", "onnx", "pandas", "plotnine", "skl2onnx", "sklearn"} & loaded


@pytest.mark.skipif(not THREADS.is_dir(), reason="threads are counted as Linux shows them")
def test_the_runtime_starts_no_thread_that_reports_to_anybody() -> None:
    program = f"import os, ml_predict.model; print(len(os.listdir({str(THREADS)!r})))"
    command = [sys.executable, "-c", program]
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # numpy's threads are not what is counted
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=alone)  # noqa: S603 - ours
    assert done.stdout == "1\n"


def diamonds_of(parts: Split, count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = parts.held_out.drop(columns="price").head(count).to_dict("records")
    return rows
