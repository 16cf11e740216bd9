"""Money on the wire: exact, two decimals, a JSON string on the way out."""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

CENT = Decimal("0.01")
TOO_MUCH = 10**10
"""NUMERIC(12,2) holds what is below."""

# ISO 4217. Only currencies with two decimals, as the column has: yen have none, Kuwaiti dinars three.
Currency = Literal[
    "AED", "AUD", "CAD", "CHF", "CNY", "EUR", "GBP", "HKD", "ILS", "INR", "SGD", "THB", "USD", "ZAR"
]

_PLAIN = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,2})?")


def _plain(value: Any) -> Any:
    """`Decimal` itself also takes `1_000`, `1e3`, ` 5 ` and the digits of every script."""
    if isinstance(value, str) and not _PLAIN.fullmatch(value):
        raise ValueError('must be a number, or a string such as "1234.50" with at most two decimals')
    return value


def two_places(value: Decimal) -> Decimal:
    return value.quantize(CENT)


# A JSON number arrives as a float, of which pydantic takes the shortest form: 0.1, not 0.1000000000000000055.
# Of a Decimal's bounds pydantic's own schema says nothing that a reader of OpenAPI understands.
Price = Annotated[
    Decimal,
    BeforeValidator(_plain),
    Field(gt=0, lt=TOO_MUCH, decimal_places=2),
    AfterValidator(two_places),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.01, "exclusiveMaximum": TOO_MUCH, "multipleOf": 0.01},
                {"type": "string", "pattern": r"^([1-9][0-9]{0,9}(\.[0-9]{1,2})?|0\.(0[1-9]|[1-9][0-9]?))$"},
            ],
            "examples": ["1234.50"],
        },
        mode="validation",
    ),
]
PriceBound = Annotated[
    Decimal,
    BeforeValidator(_plain),
    Field(ge=0, lt=TOO_MUCH, decimal_places=2),
    WithJsonSchema(
        {"type": "string", "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$", "examples": ["1234.50"]},
        mode="validation",
    ),
]
