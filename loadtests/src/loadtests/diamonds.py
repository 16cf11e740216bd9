"""Real diamonds to list: a sample of the table that the price model was trained on."""

import csv
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE = "LOADTESTS_DIAMONDS"  # where the sample lies, when this package does not stand in the repository
CATEGORIES = ("cut", "color", "clarity")
MEASURES = ("carat", "depth", "table", "x", "y", "z")


@dataclass(frozen=True, slots=True)
class Diamond:
    """`price` is what it was sold for, in US dollars."""

    features: dict[str, Any]
    price: str

    def listing(self, name: str | None = None) -> dict[str, Any]:
        """The body of POST /items."""
        cut, color, clarity = (self.features[category] for category in CATEGORIES)
        return {
            "name": name or f"{self.features['carat']} ct {cut} {color} {clarity}",
            "description": "Listed by a load test.",
            "price": self.price,
            "currency": "USD",
            "features": self.features,
        }


def load_diamonds(path: Path | None = None) -> list[Diamond]:
    """Raises SystemExit with one line when the sample is not there."""
    path = path or sample()
    try:
        with path.open(newline="") as file:
            return [_diamond(row) for row in csv.DictReader(file)]
    except FileNotFoundError:
        raise SystemExit(
            f"no diamonds at {path}: set {SAMPLE} to the repository's deploy/diamonds.csv"
        ) from None


def sample() -> Path:
    given = os.environ.get(SAMPLE)
    return Path(given) if given else Path(__file__).parent.joinpath("../../../deploy/diamonds.csv").resolve()


def _diamond(row: dict[str, str]) -> Diamond:
    features: dict[str, Any] = {name: row[name] for name in CATEGORIES}
    features |= {name: float(row[name]) for name in MEASURES}
    return Diamond(features, f"{int(row['price'])}.00")


def any_of(diamonds: list[Diamond]) -> Diamond:
    return random.choice(diamonds)  # noqa: S311 - load, not secrets
