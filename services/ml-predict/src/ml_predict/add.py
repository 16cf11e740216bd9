"""`python -m ml_predict.add model.onnx --name iris`: put an ONNX file into the repository, with a card."""

import argparse
import hashlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from ml_predict.card import Artefact, Feature, ModelCard, Output, Weights
from ml_predict.exceptions import ModelUnusable
from ml_predict.model import Model
from ml_predict.settings import CHECKOUT_MODELS
from ml_predict.weights import move_weights

FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one line when the file cannot be served."""
    parser = argparse.ArgumentParser("python -m ml_predict.add", description=__doc__)
    add = parser.add_argument
    add("file", type=Path, help="the ONNX file")
    add("--name", type=_folder_name, required=True)
    add("--version", type=_folder_name, default="1")
    add(
        "--columns",
        default="",
        help="names of the input's columns, with commas: callers may then name features",
    )
    add(
        "--share-weights",
        action="store_true",
        help="store the weights in a file beside the graph: all workers share one copy in memory",
    )
    given = os.environ.get("ML_PREDICT_MODEL_REPOSITORY")
    add("--repository", type=Path, default=Path(given) if given else CHECKOUT_MODELS)
    options = parser.parse_args(arguments)
    columns = [name for name in options.columns.split(",") if name]
    try:
        folder = add_version(
            options.repository,
            options.file,
            options.name,
            options.version,
            columns,
            share_weights=options.share_weights,
        )
    except (ModelUnusable, OSError, ValueError) as error:
        sys.stderr.write(f"nothing added: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write(f"{folder}\n")
    return 0


def add_version(
    repository: Path,
    file: Path,
    name: str,
    version: str,
    columns: list[str],
    *,
    share_weights: bool = False,
) -> Path:
    """The new folder, which appears complete or not at all.

    Raises ModelUnusable, OSError (also when the version exists) or ValueError.
    """
    final = repository / name / version
    if final.exists():
        raise FileExistsError(f"{final} exists: a new file is a new version")
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=final.parent) as made:
        folder = Path(made) / version
        folder.mkdir()
        card = _first_card(file, folder, name, version, share_weights=share_weights)
        _write(folder, card)
        if columns:
            _write(folder, _named(card, Model.load(folder), columns))
        Model.load(folder)  # as the server will
        folder.rename(final)
    return final


def _first_card(file: Path, folder: Path, name: str, version: str, *, share_weights: bool) -> ModelCard:
    """Without features. The files that it is about are in the folder then."""
    weights = None
    if share_weights:
        weights = Weights(**_facts(move_weights(file, folder)))
    else:
        shutil.copyfile(file, folder / "model.onnx")
    artefact = Artefact(**_facts(folder / "model.onnx"))
    return ModelCard(name=name, version=version, artefact=artefact, weights=weights)


def _facts(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "sha256": digest, "bytes": path.stat().st_size}


def _named(card: ModelCard, model: Model, columns: list[str]) -> ModelCard:
    """The card with features, which any number may be, and with every output shown."""
    features = tuple(Feature(name=column, type="number") for column in columns)
    outputs = tuple(Output(name=output.name) for output in model.outputs)
    facts = card.model_dump() | {"input": model.inputs[0].name, "features": features, "outputs": outputs}
    return ModelCard.model_validate(facts)


def _write(folder: Path, card: ModelCard) -> None:
    (folder / "card.json").write_text(
        card.model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8"
    )


def _folder_name(given: str) -> str:
    if not FOLDER_NAME.fullmatch(given):
        raise argparse.ArgumentTypeError("letters, digits, '.', '_' and '-' only")
    return given


if __name__ == "__main__":
    raise SystemExit(main())
