"""Tensors on the wire: JSON and binary, as the Open Inference Protocol (v2) writes them."""

import math
import struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ml_predict.exceptions import TensorInvalid

Array = NDArray[Any]

DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(np.object_),
}
DATATYPES: Final = {dtype: name for name, dtype in DTYPES.items()}
LARGEST_DIMENSIONS: Final = 16
_LENGTH = struct.Struct("<I")


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Raises TensorInvalid for what is no list of small whole numbers."""
    if not isinstance(shape, list) or len(shape) > LARGEST_DIMENSIONS:
        raise TensorInvalid("shape", f"must be a list of at most {LARGEST_DIMENSIONS} dimensions")
    if any(type(size) is not int or not 0 <= size < 2**31 for size in shape):
        raise TensorInvalid("shape", "each dimension must be a whole number, not negative")
    return tuple(shape)


def from_json(data: Any, datatype: str, shape: tuple[int, ...]) -> Array:
    """Flat or nested, row by row. Raises TensorInvalid."""
    if not isinstance(data, list):
        raise TensorInvalid("data", "must be a list")
    if datatype == "BYTES":
        return _strings(data, shape)
    try:
        found = np.array(data)
    except (ValueError, OverflowError, RecursionError):  # ragged, or deeper than arrays can be
        raise TensorInvalid("data", "rows must have one length") from None
    if math.prod(shape) != found.size or (found.ndim > 1 and found.shape != shape):
        raise TensorInvalid(
            "data", f"has {found.size} elements in shape {list(found.shape)}, not {list(shape)}"
        )
    return _cast(found, DTYPES[datatype], datatype).reshape(shape)


def _cast(found: Array, dtype: np.dtype[Any], datatype: str) -> Array:
    """To `dtype`, if that changes no value beyond rounding."""
    kinds = {"b": "b", "i": "iu", "u": "iu", "f": "fiu"}[dtype.kind]
    if found.size and found.dtype.kind not in kinds:
        raise TensorInvalid("data", f"must be {datatype}")
    if dtype.kind in "iu" and found.size:
        limits = np.iinfo(dtype)
        if int(found.min()) < limits.min or int(found.max()) > limits.max:
            raise TensorInvalid("data", f"must fit {datatype}")
    with np.errstate(over="ignore"):
        cast = found.astype(dtype)
    if dtype.kind == "f" and not np.isfinite(cast).all():
        raise TensorInvalid("data", f"must fit {datatype}")
    return cast


def _strings(data: list[Any], shape: tuple[int, ...]) -> Array:
    flat: list[Any] = data
    for _ in range(max(len(shape) - 1, 0)):
        if not any(isinstance(each, list) for each in flat):
            break
        if not all(isinstance(each, list) for each in flat):
            raise TensorInvalid("data", "rows must have one length")
        flat = [value for each in flat for value in each]
    if not all(isinstance(each, str) for each in flat):
        raise TensorInvalid("data", "must be BYTES, written as strings")
    if len(flat) != math.prod(shape):
        raise TensorInvalid("data", f"has {len(flat)} elements, not {math.prod(shape)}")
    return _objects(flat, shape)


def _objects(values: list[Any], shape: tuple[int, ...]) -> Array:
    made = np.empty(len(values), np.object_)
    made[:] = values
    return made.reshape(shape)


def from_binary(data: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """Row by row, little-endian, without a copy; BYTES have a length before each. Raises TensorInvalid."""
    count = math.prod(shape)
    if datatype == "BYTES":
        return _objects(_prefixed(data, count), shape)
    dtype = DTYPES[datatype]
    if len(data) != count * dtype.itemsize:
        raise TensorInvalid(
            "binary_data_size", f"is {len(data)}, not {count * dtype.itemsize} as its shape says"
        )
    if datatype == "BOOL" and (np.frombuffer(data, np.uint8) > 1).any():
        raise TensorInvalid("data", "a BOOL is the byte 0 or 1")
    return np.frombuffer(data, dtype).reshape(shape)


def _prefixed(data: memoryview, count: int) -> list[str]:
    found: list[str] = []
    place = 0
    while place < len(data) and len(found) < count:
        start = place + _LENGTH.size
        place = start + (_LENGTH.unpack_from(data, place)[0] if start <= len(data) else len(data))
        if place > len(data):
            raise TensorInvalid("binary_data_size", "an element is longer than what is left")
        try:
            found.append(str(data[start:place], "utf-8"))
        except UnicodeDecodeError:
            raise TensorInvalid("data", "BYTES must be UTF-8") from None
    if place != len(data) or len(found) != count:
        raise TensorInvalid("binary_data_size", f"does not hold exactly {count} elements")
    return found


def to_json(array: Array) -> list[Any]:
    """Flat."""
    flat: list[Any] = array.ravel().tolist()
    return flat


def to_binary(array: Array) -> bytes:
    """The inverse of `from_binary`."""
    if array.dtype != np.object_:
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    encoded = [str(value).encode() for value in array.ravel().tolist()]
    return b"".join(_LENGTH.pack(len(value)) + value for value in encoded)
