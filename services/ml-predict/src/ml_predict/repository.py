"""The model repository: a folder of `<name>/<version>/`, all of it served."""

from collections.abc import Iterator
from pathlib import Path

from ml_predict.exceptions import CardDiffers, ModelMissing, ModelNotFound
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model


class Repository:
    """Models by name and version. The default version of a model is its newest, or the one that is pinned."""

    def __init__(self, folder: Path, pinned: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._pinned = pinned or {}
        self._models: dict[str, dict[str, Model]] = {}
        self._defaults: dict[str, Model] = {}

    def load_all(self) -> None:
        """Load and warm up every version in the folder. Raises ModelUnusable at the first that fails."""
        for name, version in self.stored():
            self.load(name, version)
        for name, version in self._pinned.items():
            if version not in self._models.get(name, {}):
                raise ModelMissing(self._folder / name / version / "card.json")

    def load(self, name: str, version: str) -> Model:
        """Load a version, or load it anew. Raises ModelUnusable; what was served before stays served."""
        folder = self._folder / name / version
        model = Model.load(folder)
        if (model.ref.name, model.ref.version) != (name, version):
            raise CardDiffers(folder / "card.json", f"it is the card of {model.ref.name} {model.ref.version}")
        model.warm_up()
        MODEL_METRICS.loaded(model)
        versions = self._models.setdefault(name, {})
        versions[version] = model
        self._defaults[name] = versions.get(self._pinned.get(name, ""), versions[newest(versions)])
        return model

    def find(self, name: str, version: str | None = None) -> Model:
        """Raises ModelNotFound."""
        found = self._defaults.get(name) if version is None else self._models.get(name, {}).get(version)
        if found is None:
            raise ModelNotFound(
                f"There is no model {name[:100]}" + (f" {version[:100]}." if version else ".")
            )
        return found

    def __iter__(self) -> Iterator[Model]:
        return (model for versions in self._models.values() for model in versions.values())

    def defaults(self) -> dict[str, Model]:
        """The version of each model that answers when none is named."""
        return dict(self._defaults)

    def stored(self) -> list[tuple[str, str]]:
        """Name and version of every folder that holds a card or a model, sorted."""
        folders = {
            path.parent for file in ("card.json", "model.onnx") for path in self._folder.glob(f"*/*/{file}")
        }
        return sorted((folder.parent.name, folder.name) for folder in folders)


def newest(versions: dict[str, Model]) -> str:
    """The largest number; names that are no number come before all numbers."""
    return max(
        versions, key=lambda version: (version.isdigit(), int(version) if version.isdigit() else 0, version)
    )
