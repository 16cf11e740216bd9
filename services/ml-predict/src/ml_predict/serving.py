"""Who answers for one model: its versions, and what is done with requests that name none of them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ml_predict.model import Model
from ml_predict.serving_state import Traffic


@dataclass(frozen=True, slots=True)
class Serving:
    """Never changed, only replaced: a request sees one state of things from its beginning to its end."""

    versions: Mapping[str, Model]
    default: Model
    canary: Model | None = None
    weight: float = 0.0
    shadow: Model | None = None

    @classmethod
    def of(cls, versions: Mapping[str, Model], traffic: Traffic, pinned: str | None) -> "Serving":
        """`versions` are not empty. A version that is not loaded has no part in the traffic."""
        default = next(
            (versions[each] for each in (traffic.default, pinned) if each is not None and each in versions),
            versions[newest(versions)],
        )
        canary = versions.get(traffic.canary.version) if traffic.canary else None
        weight = traffic.canary.weight if traffic.canary else 0.0
        return cls(versions, default, canary, weight, versions.get(traffic.shadow or ""))

    def choose(self) -> Model:
        """The version that answers a request which names none."""
        if self.canary is not None and random.random() < self.weight:  # noqa: S311 - a share, no secret
            return self.canary
        return self.default


def newest(versions: Mapping[str, Model]) -> str:
    """The largest number; names that are no number come before all numbers."""
    return max(
        versions, key=lambda version: (version.isdigit(), int(version) if version.isdigit() else 0, version)
    )
