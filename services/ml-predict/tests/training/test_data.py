"""Which rows are learned from, and which are kept to be examined on."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from ml_predict.rows import RowParser
from ml_training.card import PriceCard
from ml_training.data import Split, clean, digest, sample, split, stones
from ml_training.features import FEATURES

SAMPLE = Path(__file__).parents[4] / "deploy" / "diamonds.csv"


def test_the_table_is_the_one_the_card_names(table: pd.DataFrame, card: PriceCard) -> None:
    assert (digest(table), len(table)) == (card.data.sha256, 53_940)


def test_rows_that_cannot_be_true_are_left_out_and_counted(table: pd.DataFrame) -> None:
    cleaned = clean(table)
    assert (cleaned.duplicates, cleaned.zero_dimension, cleaned.out_of_bounds) == (146, 19, 3)
    assert len(cleaned.table) == len(table) - 146 - 19 - 3
    assert not cleaned.table.duplicated().any()
    assert cleaned.table[["x", "y", "z"]].min().min() > 0


def test_a_relisted_stone_is_recognised_with_length_and_width_swapped(table: pd.DataFrame) -> None:
    listed = table.iloc[[0]]
    relisted = listed.assign(x=listed["y"], y=listed["x"], cut="Premium", price=999)
    heavier = listed.assign(carat=listed["carat"] + 0.01)
    assert stones(listed) == stones(relisted) != stones(heavier)


def test_no_stone_is_on_two_sides_of_the_split(parts: Split) -> None:
    train, calibration, held_out = (set(stones(part)) for part in parts)
    assert not train & calibration
    assert not train & held_out
    assert not calibration & held_out


def test_the_sides_have_the_sizes_on_the_card(parts: Split, card: PriceCard) -> None:
    sizes = tuple(map(len, parts))
    assert sizes == (card.data.train, card.data.calibration, card.data.held_out)
    assert [size / sum(sizes) for size in sizes] == pytest.approx([0.65, 0.15, 0.2], abs=0.01)


def test_the_split_does_not_depend_on_the_order_of_rows(table: pd.DataFrame) -> None:
    some = table.head(2000)
    assert set(split(some).held_out.index) == set(split(some.iloc[::-1]).held_out.index)


def test_the_published_sample_is_300_held_out_rows_that_the_service_takes(parts: Split) -> None:
    assert SAMPLE.read_text() == sample(parts.held_out).to_csv(index=False, lineterminator="\n")
    with SAMPLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 300
    for row in rows:
        numbers = {name: float(row[name]) for name in ("carat", "depth", "table", "x", "y", "z")}
        grades = {name: row[name] for name in ("cut", "color", "clarity")}
        RowParser(FEATURES).encode([numbers | grades])
        assert int(row["price"]) > 0
