"""The model repository: a folder of `<name>/<version>/`, and what of it is served."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from ml_predict.exceptions import CardDiffers, ModelMissing, ModelNotFound, ModelUnusable
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model
from ml_predict.serving import Serving
from ml_predict.serving_state import ServingState
from ml_predict.weights import FILE as WEIGHTS
from shared.logging import get_logger

FILES: Final = ("card.json", "model.onnx")
Version = tuple[str, str]
Attempt = tuple[str | None, tuple[tuple[int, int] | None, ...]]
log = get_logger()


class Repository:
    """Models by name and version. What is served changes at once, never by half.

    The default version of a model is the one an administrator chose, else the one that is pinned, else the
    newest.
    """

    def __init__(self, folder: Path, pinned: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._pinned = pinned or {}
        self._serving: dict[str, Serving] = {}
        self._attempts: dict[Version, Attempt] = {}
        self.refused: dict[Version, ModelUnusable] = {}

    def load_all(self, state: ServingState | None = None) -> None:
        """Load and warm up every version in the folder that `state` does not exclude.

        A version that cannot be used is refused and listed as such. Raises ModelUnusable if it is pinned.
        """
        wanted = state or ServingState()
        fresh = [self.attempt(*version, None) for version in self.stored(wanted)]
        self.serve(wanted, [model for model in fresh if model is not None])
        for name, version in self._pinned.items():
            self.require(name, version)

    def require(self, name: str, version: str | None = None) -> None:
        """Raises ModelUnusable if the version, or without one the whole model, cannot be served."""
        serving = self._serving.get(name)
        if serving is not None and (version is None or version in serving.versions):
            return
        for (refused, number), error in self.refused.items():
            if refused == name and version in {None, number}:
                raise error
        raise ModelMissing(self._folder / name / (f"{version}/card.json" if version else ""))

    def load(self, name: str, version: str) -> Model:
        """One version, verified and warm, but not served yet. Raises ModelUnusable.

        Takes long and changes nothing, so that any thread may call it.
        """
        folder = self._folder / name / version
        model = Model.load(folder)
        if (model.ref.name, model.ref.version) != (name, version):
            raise CardDiffers(folder / "card.json", f"it is the card of {model.ref.name} {model.ref.version}")
        model.warm_up()
        return model

    def attempt(self, name: str, version: str, digest: str | None) -> Model | None:
        """The same; a version that cannot be used is refused, and not tried again until something changed."""
        self._attempts[name, version] = self._attempt(name, version, digest)
        try:
            return self.load(name, version)
        except ModelUnusable as error:
            log.error("model_refused", model=name, version=version, reason=str(error))  # noqa: TRY400 - the reason says all
            self.refused[name, version] = error
            return None

    def stale(self, state: ServingState, *, watching: bool) -> list[tuple[str, str, str | None]]:
        """Versions that must be loaded, with the digest that is asked for.

        Those of which `state` wants other content; if `watching`, also what changed in the folder.
        """
        asked: dict[Version, str | None] = {
            (name, version): digest
            for name, model in state.models.items()
            for version, digest in model.loaded.items()
            if self._digest(name, version) != digest
        }
        if watching:
            asked = dict.fromkeys(self.stored(state)) | asked
        return [
            (*version, digest)
            for version, digest in asked.items()
            if self._attempts.get(version) != self._attempt(*version, digest)
        ]

    def serve(self, state: ServingState, fresh: Iterable[Model] = ()) -> None:
        """From now on: what was served, with the `fresh` versions, as `state` says.

        Requests that are being computed keep the model that they have.
        """
        versions = {name: dict(serving.versions) for name, serving in self._serving.items()}
        for model in fresh:
            versions.setdefault(model.ref.name, {})[model.ref.version] = model
            self.refused.pop((model.ref.name, model.ref.version), None)
            MODEL_METRICS.loaded(model)
        for name, wanted in state.models.items():
            for version in wanted.unloaded:
                versions.get(name, {}).pop(version, None)
        self._serving = {
            name: Serving.of(found, state.of(name).traffic, self._pinned.get(name))
            for name, found in versions.items()
            if found
        }

    def get(self, name: str) -> Serving | None:
        return self._serving.get(name)

    def serving(self, name: str) -> Serving:
        """Raises ModelNotFound."""
        found = self._serving.get(name)
        if found is None:
            raise ModelNotFound(f"There is no model {name[:100]}.")
        return found

    def find(self, name: str, version: str | None = None) -> Model:
        """One version; without one, the default. Raises ModelNotFound."""
        serving = self.serving(name)
        found = serving.default if version is None else serving.versions.get(version)
        if found is None:
            raise ModelNotFound(f"There is no model {name[:100]} {str(version)[:100]}.")
        return found

    def __iter__(self) -> Iterator[Model]:
        return (model for serving in self._serving.values() for model in serving.versions.values())

    def defaults(self) -> dict[str, Model]:
        """The version of each model that answers when none is named, canaries aside."""
        return {name: serving.default for name, serving in self._serving.items()}

    def stored(self, state: ServingState | None = None) -> list[Version]:
        """Name and version of every folder that holds a card or a model, sorted, without what is unloaded."""
        folders = {path.parent for file in FILES for path in self._folder.glob(f"*/*/{file}")}
        found = sorted((folder.parent.name, folder.name) for folder in folders)
        return [each for each in found if state is None or each[1] not in state.of(each[0]).unloaded]

    def _digest(self, name: str, version: str) -> str | None:
        serving = self._serving.get(name)
        model = serving.versions.get(version) if serving else None
        return model.digest if model else None

    def _attempt(self, name: str, version: str, digest: str | None) -> Attempt:
        """What a version was when it was tried: files by time and size."""
        return digest, tuple(_stamp(self._folder / name / version / file) for file in (*FILES, WEIGHTS))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
