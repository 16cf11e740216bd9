"""What can go wrong with the price model, in the service's own words.

None of these reaches a caller: what callers send wrong is refused by `schemas`, as a 422. A `ModelUnusable`
stops the start; a `FeatureInvalid` would mean that schemas and features no longer agree, which is a 500.
"""

from pathlib import Path

from shared.middleware.refusal import CannotStart


class ModelUnusable(CannotStart):
    """The service must not start with this model; the message is one line and names the file."""


class ModelMissing(ModelUnusable):
    """A file of the model folder is not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"model file {path} is missing")
        self.path = path


class ModelFileCorrupt(ModelUnusable):
    """A file of the model folder is there, but is not what the card promises."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"model file {path} is corrupt: {reason}")
        self.path = path
        self.reason = reason


class FeaturesDiffer(ModelUnusable):
    """The model was trained on other features than this service encodes."""

    def __init__(self, path: Path, difference: str) -> None:
        super().__init__(f"model card {path} does not fit this service: {difference}")
        self.path = path
        self.difference = difference


class FeatureInvalid(ValueError):
    """A row that was not validated lacks a feature or holds an unknown category."""

    def __init__(self, row: int, feature: str, reason: str) -> None:
        super().__init__(f"row {row}, feature {feature}: {reason}")
        self.row = row
        self.feature = feature
        self.reason = reason
