"""Prices as they come in: exact, or refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from items.money import Price, PriceBound

price = TypeAdapter(Price)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0.1", "0.10"),
        ("1e2", "100.00"),
        ("1234.5", "1234.50"),
        ('"1234.5"', "1234.50"),
        ('"007"', "7.00"),
        ("0.01", "0.01"),
        ("9999999999.99", "9999999999.99"),
        ('"9999999999.99"', "9999999999.99"),
        ("5", "5.00"),
    ],
)
def test_a_number_or_a_string_is_kept_exactly(sent: str, kept: str) -> None:
    assert price.dump_json(price.validate_python(json.loads(sent))) == f'"{kept}"'.encode()


@given(st.integers(1, 10**12 - 1))
def test_every_amount_of_cents_survives_as_a_json_number_and_as_a_string(cents: int) -> None:
    amount = Decimal(cents).scaleb(-2)
    assert price.validate_python(json.loads(str(amount))) == amount
    assert price.validate_python(str(amount)) == amount
    assert price.validate_json(price.dump_json(amount)) == amount


@pytest.mark.parametrize(
    "sent",
    [
        *("0", "-1", "0.001", "0.105", "1234.567", "10000000000", "9999999999.999"),
        *("1e10", "1e400", "5e-324"),
        *("NaN", "Infinity", "-Infinity", "true", "false", "null", "[]", "{}", "1" + "0" * 4000),
        *('""', '" 5"', '"5 "', '"1_000"', '"1,000"', '"1e2"', '"+5"', '"5."', '".5"', '"0x10"', '"$5"'),
        *('"NaN"', '"Infinity"', '"1.005"', '"1.000"', '"٣"', '"５"', '"5\\u0000"', '"-5"', '"-0"'),
        '"' + "9" * 5000 + '"',
    ],
)
def test_anything_else_is_refused(sent: str) -> None:
    with pytest.raises(ValidationError):
        price.validate_python(json.loads(sent))


def test_a_bound_may_be_nothing_but_not_less() -> None:
    bound: TypeAdapter[Any] = TypeAdapter(PriceBound)
    assert bound.validate_python("0") == 0
    with pytest.raises(ValidationError):
        bound.validate_python("-0.01")
