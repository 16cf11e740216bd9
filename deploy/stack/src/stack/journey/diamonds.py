"""Real diamonds that the price model has not been trained on, as features and as listings."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CURRENCY = "USD"
_GRADES = frozenset({"cut", "color", "clarity"})


@dataclass(frozen=True, slots=True)
class Diamond:
    """`price` is what it was really sold for, in USD; `features` are what `POST /predict` takes."""

    price: str
    features: dict[str, Any]

    @property
    def listing(self) -> dict[str, Any]:
        """The body of `POST /items`."""
        known = self.features
        return {
            "name": f"{known['carat']} ct {known['cut']} {known['color']} {known['clarity']}",
            "description": f"A round diamond, {known['x']} x {known['y']} x {known['z']} mm.",
            "price": self.price,
            "currency": CURRENCY,
            "features": known,
        }


def diamonds(path: Path | None = None) -> list[Diamond]:
    """`path`: else the repository's file."""
    with (path or Path(__file__).parents[4] / "diamonds.csv").open(newline="") as rows:
        return [_diamond(row) for row in csv.DictReader(rows)]


def _diamond(row: dict[str, str]) -> Diamond:
    price = row.pop("price")
    features = {name: value if name in _GRADES else float(value) for name, value in row.items()}
    return Diamond(f"{int(price)}.00", features)
