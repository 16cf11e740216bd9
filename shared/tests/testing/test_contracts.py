"""What counts as a breach of a contract, and what does not."""

from typing import Any

import pytest

from shared.testing.contracts import misfits

EXAMPLE = {"model": {"name": "m"}, "rows": [{"low": 1.5}], "ok": True}


@pytest.mark.parametrize(
    "actual",
    [
        EXAMPLE,
        {**EXAMPLE, "more": 1},
        {**EXAMPLE, "rows": [{"low": 2}, {"low": 3.5, "high": 4}]},
        {**EXAMPLE, "ok": False},
    ],
)
def test_more_than_was_promised_is_fine(actual: Any) -> None:
    assert misfits(EXAMPLE, actual) == []


@pytest.mark.parametrize(
    ("actual", "why"),
    [
        ({"rows": [{"low": 1}], "ok": True}, "answer.model is missing"),
        ({**EXAMPLE, "model": {"title": "m"}}, "answer.model.name is missing"),
        ({**EXAMPLE, "rows": [{"low": 1}, {}]}, "answer.rows[].low is missing"),
        ({**EXAMPLE, "rows": []}, "answer.rows has 0 entries"),
        ({**EXAMPLE, "rows": {"low": 1}}, "answer.rows is dict, not list"),
        ({**EXAMPLE, "rows": [{"low": "1.5"}]}, "answer.rows[].low is str, not number"),
        ({**EXAMPLE, "ok": 1}, "answer.ok is number, not bool"),
        ({**EXAMPLE, "model": None}, "answer.model is NoneType, not dict"),
    ],
)
def test_less_or_something_else_is_a_breach(actual: Any, why: str) -> None:
    assert misfits(EXAMPLE, actual) == [why]
