"""The diamonds table: reading it, leaving out what cannot be true, and splitting it by stone."""

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_predict.exceptions import BodyInvalid
from ml_predict.rows import Float32s, RowParser
from ml_training.features import FEATURE_NAMES, FEATURES, encode

Float64s = NDArray[np.float64]

SOURCE: Final = "plotnine.data.diamonds, the table of round-cut diamonds known from ggplot2"
SEED: Final = 20261122
HELD_OUT_SHARE: Final = 0.2
CALIBRATION_SHARE: Final = 0.15
COLUMNS: Final = [*FEATURE_NAMES, "price"]


class Cleaned(NamedTuple):
    """The rows that are kept, and how many were not, by reason."""

    table: pd.DataFrame
    duplicates: int
    zero_dimension: int
    out_of_bounds: int


class Split(NamedTuple):
    """Three sets of rows that share no stone."""

    train: pd.DataFrame
    calibration: pd.DataFrame
    held_out: pd.DataFrame


def read_table() -> pd.DataFrame:
    """All 53,940 rows, grades as plain strings."""
    from plotnine.data import diamonds  # noqa: PLC0415 - its import reads every table of plotnine

    return diamonds[COLUMNS].astype({"cut": str, "color": str, "clarity": str})


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of the table as CSV, so that a card says which data it was trained on."""
    return hashlib.sha256(table.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def clean(table: pd.DataFrame) -> Cleaned:
    """Without repeated rows, and without rows that the service itself would refuse to price."""
    unique = table.drop_duplicates()
    parser = RowParser(FEATURES)
    accepted = np.array([_is_accepted(parser, row) for row in unique[list(FEATURE_NAMES)].to_dict("records")])
    zero = (unique[["x", "y", "z"]] == 0).any(axis=1).to_numpy()
    return Cleaned(
        table=unique[accepted],
        duplicates=len(table) - len(unique),
        zero_dimension=int(zero.sum()),
        out_of_bounds=int((~accepted & ~zero).sum()),
    )


def _is_accepted(parser: RowParser, row: dict[str, Any]) -> bool:
    try:
        parser.encode([row])
    except BodyInvalid:
        return False
    return True


def stones(table: pd.DataFrame) -> list[str]:
    """A key per row, equal for rows that look like one stone offered more than once.

    A fifth of the table repeats another row's weight, colour, clarity and three dimensions, often with
    length and width swapped and another price or cut grade: the same stone, measured and listed again.
    """
    dimensions = np.sort(table[["x", "y", "z"]].to_numpy(), axis=1)
    columns = (table["carat"], table["color"], table["clarity"], *dimensions.T)
    return ["/".join(map(str, values)) for values in zip(*columns, strict=True)]


def split(table: pd.DataFrame, seed: int = SEED) -> Split:
    """By a hash of the stone: depends on neither the order of rows nor the version of any generator."""
    place = np.array([_fraction(f"{seed}/{stone}") for stone in stones(table)])
    held_out = place < HELD_OUT_SHARE
    calibration = ~held_out & (place < HELD_OUT_SHARE + CALIBRATION_SHARE)
    return Split(table[~held_out & ~calibration], table[calibration], table[held_out])


def sample(held_out: pd.DataFrame, count: int = 300, seed: int = SEED) -> pd.DataFrame:
    """`count` held-out rows, drawn and ordered by a hash."""
    order = [_fraction(f"{seed}/sample/{index}") for index in held_out.index]
    return held_out.iloc[np.argsort(order, kind="stable")[:count]]


def arrays(table: pd.DataFrame) -> tuple[Float32s, Float64s]:
    """Encoded features, shape [N, 9], and prices in USD, shape [N]."""
    return encode(table), table["price"].to_numpy(np.float64)


def _fraction(key: str) -> float:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
