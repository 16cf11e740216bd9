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

import pytest

from ml_predict.card import ModelCard
from ml_predict.exceptions import FeaturesDiffer, ModelFileCorrupt, ModelMissing
from ml_predict.model import PriceModel
from ml_predict.schemas import DiamondFeatures
from ml_training.data import Split

THREADS = Path("/proc/self/task")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "model")


def edit_card(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    facts = json.loads((folder / "card.json").read_text())
    edit(facts)
    (folder / "card.json").write_text(json.dumps(facts))


def test_the_committed_file_is_the_one_its_card_was_written_for(folder: Path, card: ModelCard) -> None:
    onnx = (folder / "model.onnx").read_bytes()
    assert (hashlib.sha256(onnx).hexdigest(), len(onnx)) == (card.artefact.sha256, card.artefact.bytes)


def test_the_model_says_which_one_it_is(model: PriceModel, folder: Path) -> None:
    assert (model.ref.name, model.ref.version) == (folder.parent.name, folder.name)


def test_one_flipped_bit_is_refused(copy: Path) -> None:
    onnx = bytearray((copy / "model.onnx").read_bytes())
    onnx[len(onnx) // 2] ^= 1
    (copy / "model.onnx").write_bytes(onnx)
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt: its SHA-256 is"):
        PriceModel.load(copy)


def test_what_matches_its_digest_but_is_no_graph_is_refused(copy: Path) -> None:
    (copy / "model.onnx").write_bytes(b"no graph")
    edit_card(copy, lambda facts: facts["artefact"].update(sha256=hashlib.sha256(b"no graph").hexdigest()))
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt"):
        PriceModel.load(copy)


@pytest.mark.parametrize("name", ["card.json", "model.onnx"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelMissing, match=f"{name} is missing"):
        PriceModel.load(copy)


def test_a_file_that_cannot_be_read_is_refused(copy: Path) -> None:
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").mkdir()
    with pytest.raises(ModelFileCorrupt, match=r"model\.onnx is corrupt: .*directory"):
        PriceModel.load(copy)


def test_a_cut_off_card_is_refused(copy: Path) -> None:
    (copy / "card.json").write_text((copy / "card.json").read_text()[:200])
    with pytest.raises(ModelFileCorrupt, match=r"card\.json is corrupt"):
        PriceModel.load(copy)


def test_a_card_without_an_intervals_width_is_refused(copy: Path) -> None:
    edit_card(copy, lambda facts: facts["interval"]["half_widths"].pop("IF"))
    with pytest.raises(ModelFileCorrupt, match=r"interval: .*no half width for IF"):
        PriceModel.load(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda facts: facts["features"].reverse(),
        lambda facts: facts["features"].pop(),
        lambda facts: facts["features"][0].update(unit="g"),
        lambda facts: facts["features"][2]["categories"].reverse(),
    ],
    ids=["another order", "one less", "another unit", "grades the other way round"],
)
def test_a_model_of_other_features_is_refused(copy: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    edit_card(copy, edit)
    with pytest.raises(FeaturesDiffer, match=r"card\.json does not fit this service"):
        PriceModel.load(copy)


def test_every_price_lies_in_its_interval_and_is_rounded_to_cents(model: PriceModel, parts: Split) -> None:
    predictions = model.predict(parts.held_out.to_dict("records"))
    assert len(predictions) == len(parts.held_out)
    for prediction in predictions:
        assert 0 < prediction.low <= prediction.estimate <= prediction.high
        assert prediction.estimate == round(prediction.estimate, 2)


def test_a_row_has_the_same_price_alone_and_in_a_batch(model: PriceModel, parts: Split) -> None:
    rows = [DiamondFeatures.model_validate(row) for row in diamonds_of(parts, 50)]
    assert [model.predict([row])[0] for row in rows] == model.predict(rows)


def test_a_flawed_stone_has_a_wider_interval_than_a_clean_one(
    model: PriceModel, diamond: dict[str, Any]
) -> None:
    flawed, clean = model.predict([diamond | {"clarity": "I1"}, diamond | {"clarity": "VS1"}])
    assert flawed.high / flawed.low > clean.high / clean.low


def test_warming_up_changes_no_answer(folder: Path, diamond: dict[str, Any], model: PriceModel) -> None:
    warmed = PriceModel.load(folder)
    warmed.warm_up()
    assert warmed.predict([diamond]) == model.predict([diamond])


def test_no_rows_have_no_prices(model: PriceModel) -> None:
    assert model.predict([]) == []


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
