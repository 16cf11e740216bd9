"""Every datatype, in JSON and in binary, there and back."""

from typing import Any

import numpy as np
import pytest

from ml_predict.exceptions import TensorInvalid
from ml_predict.tensors import DTYPES, checked_shape, from_binary, from_json, to_binary, to_json

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False, True, True],
    "BYTES": ["", "a", "µ", "long" * 100],
    **{name: [0, 1, 2, 100] for name in DTYPES if "INT" in name},
    **{name: [0.0, -1.5, 2.25, 100.0] for name in DTYPES if name.startswith("FP")},
}


@pytest.mark.parametrize("datatype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (2, 2), (4, 1)])
def test_json_and_binary_say_the_same(datatype: str, shape: tuple[int, ...]) -> None:
    array = from_json(VALUES[datatype], datatype, shape)
    assert (array.dtype, array.shape) == (DTYPES[datatype], shape)
    again = from_binary(memoryview(to_binary(array)), datatype, shape)
    assert to_json(array) == to_json(again) == VALUES[datatype]


@pytest.mark.parametrize("datatype", ["FP32", "BYTES", "INT64"])
def test_nested_rows_are_flattened(datatype: str) -> None:
    first, second, third, fourth = VALUES[datatype]
    assert to_json(from_json([[first, second], [third, fourth]], datatype, (2, 2))) == VALUES[datatype]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        *(("INT8", [value]) for value in (128, -129, 1.5, "1", None, True, 2**70)),
        *(("UINT64", [value]) for value in (-1, 2**64)),
        *(("FP16", [value]) for value in (1e6, "1", None, {}, [])),
        *(("BOOL", [value]) for value in (0, 1, "true", None)),
        *(("BYTES", [value]) for value in (1, None, {}, [1])),
        *(("FP32", value) for value in (None, {}, "1", [1, 2], [], [[1], [2, 3]])),
    ],
)
def test_what_does_not_fit_its_datatype_is_refused(datatype: str, data: Any) -> None:
    with pytest.raises(TensorInvalid, match="data"):
        from_json(data, datatype, (1,))


def test_the_largest_unsigned_number_fits() -> None:
    assert to_json(from_json([2**64 - 1], "UINT64", (1,))) == [2**64 - 1]


def test_rows_nested_deeper_than_any_array_are_refused() -> None:
    data: list[Any] = [1.0]
    for _ in range(500):
        data = [data]
    with pytest.raises(TensorInvalid):
        from_json(data, "FP32", (1,))


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", b"\0" * 7),
        ("FP32", b"\0" * 12),
        ("BOOL", b"\0\2"),
        ("BYTES", b"\5\0\0\0abc"),
        ("BYTES", b"\1\0\0\0a"),
        ("BYTES", b"\1\0\0\0a" * 3),
        ("BYTES", b"\1\0\0\0a\1\0"),
        ("BYTES", b"\xff\xff\xff\xffa"),
        ("BYTES", b"\1\0\0\0\xff\1\0\0\0a"),
    ],
)
def test_binary_that_does_not_hold_two_elements_is_refused(datatype: str, data: bytes) -> None:
    with pytest.raises(TensorInvalid):
        from_binary(memoryview(data), datatype, (2,))


@pytest.mark.parametrize("shape", [None, 1, "1", [-1], [1.0], [True], [2**31], [1] * 17])
def test_a_shape_is_a_list_of_whole_numbers(shape: Any) -> None:
    with pytest.raises(TensorInvalid, match="shape"):
        checked_shape(shape)


def test_a_big_endian_array_is_written_little_endian() -> None:
    assert to_binary(np.array([1], ">u2")) == b"\1\0"
