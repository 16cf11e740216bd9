"""Writing a model version into a repository."""

from pathlib import Path

from ml_predict.card import ModelCard


def write_version(repository: Path, onnx: bytes, card: ModelCard) -> Path:
    """Write `<name>/<version>/{model.onnx,card.json}`; the folder is returned."""
    folder = repository / card.name / card.version
    folder.mkdir(parents=True, exist_ok=True)
    (folder / card.artefact.file).write_bytes(onnx)
    facts = card.model_dump_json(indent=2, exclude_none=True)
    (folder / "card.json").write_text(facts + "\n", encoding="utf-8")
    return folder
