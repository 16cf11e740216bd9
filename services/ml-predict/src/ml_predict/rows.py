"""Named features as JSON, checked against the card and turned into the model's input."""

import json
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

from ml_predict.card import Feature
from ml_predict.exceptions import BodyInvalid, BodyMalformed

MAX_INSTANCES: Final = 1000
MOST_FAULTS: Final = 100
Float32s = NDArray[np.float32]


class Asked(NamedTuple):
    """What one request asks: encoded rows, float32, shape [N, columns]."""

    rows: Float32s
    explain: bool = False


class RowParser:
    """Reads `{"instances": [{feature: value, …}, …], "explain": …}`, from bytes.

    Strict: `true` and `"0.5"` are no numbers. A caller whose types are wrong is probably wrong elsewhere too,
    and a prediction would hide it. NaN and infinity are never numbers here. One bad row refuses them all;
    the refusal has the positions of all bad ones, so that whoever asked for several can ask for the rest.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        names = [feature.name for feature in features]
        row = core_schema.typed_dict_schema(
            {
                name: core_schema.typed_dict_field(_value(each))
                for name, each in zip(names, features, strict=True)
            },
            extra_behavior="forbid",
        )
        self._row = SchemaValidator(row)
        instances = core_schema.list_schema(row, min_length=1, max_length=MAX_INSTANCES, fail_fast=True)
        self._validator = SchemaValidator(
            core_schema.typed_dict_schema(
                {
                    "instances": core_schema.typed_dict_field(instances),
                    "explain": core_schema.typed_dict_field(
                        core_schema.bool_schema(strict=True), required=False
                    ),
                },
                extra_behavior="forbid",
            )
        )
        self._columns = sum(feature.size for feature in features)
        self._flat = all(feature.size == 1 for feature in features)
        self._values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)

    def parse(self, body: bytes) -> Asked:
        """Raises BodyMalformed for what is no JSON, and BodyInvalid, which names each field."""
        try:
            asked = self._validator.validate_json(body)
        except ValidationError as error:
            raise _refusal(error, self._bad_rows(error, body)) from None
        return Asked(self._matrix(asked["instances"]), asked.get("explain", False))

    def encode(self, rows: Sequence[Any]) -> Float32s:
        """The same for rows that are mappings already. Raises BodyInvalid."""
        try:
            asked = self._validator.validate_python({"instances": list(rows)})
        except ValidationError as error:
            raise _refusal(error) from None
        return self._matrix(asked["instances"])

    def _bad_rows(self, error: ValidationError, body: bytes) -> list[int]:
        """All of them, while the error is about the first. Empty if something else is wrong."""
        place = error.errors(include_url=False, include_input=False, include_context=False)[0]["loc"]
        if len(place) < len(("instances", "position")) or place[0] != "instances":
            return []
        try:
            rows = json.loads(body)["instances"]
        except ValueError:  # an integer of thousands of digits
            return []
        return [number for number, row in enumerate(rows) if not self._row.isinstance_python(row)]

    def _matrix(self, rows: list[dict[str, Any]]) -> Float32s:
        values = list(map(self._values, rows))
        if not self._flat:
            values = [tuple(_flattened(row)) for row in values]
        return np.array(values, dtype=np.float32)


def _value(feature: Feature) -> CoreSchema:
    if feature.categories:
        codes = {category: float(code) for code, category in enumerate(feature.categories)}
        return core_schema.no_info_after_validator_function(
            codes.__getitem__, core_schema.literal_schema(list(feature.categories))
        )
    number = core_schema.float_schema(
        gt=feature.gt, ge=feature.ge, lt=feature.lt, le=feature.le, allow_inf_nan=False, strict=True
    )
    if feature.size == 1:
        return number
    return core_schema.list_schema(number, min_length=feature.size, max_length=feature.size)


def _flattened(row: tuple[Any, ...]) -> Any:
    for value in row:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _refusal(error: ValidationError, bad_rows: Sequence[int] = ()) -> BodyInvalid | BodyMalformed:
    if error.error_count() > MOST_FAULTS:
        return BodyInvalid.of([(("body",), "has too many faults to name them", "too_many_faults")])
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    if any(item["type"] == "json_invalid" for item in errors):
        return BodyMalformed("The body is not valid JSON.")
    faults = [(("body", *item["loc"]), item["msg"], item["type"]) for item in errors]
    return BodyInvalid.of(faults, refused_instances=list(bad_rows)) if bad_rows else BodyInvalid.of(faults)
