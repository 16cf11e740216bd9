"""One inference request of the Open Inference Protocol (v2): from bytes to arrays, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ml_predict.exceptions import BodyInvalid, BodyMalformed, TensorInvalid
from ml_predict.model import Model
from ml_predict.session import Tensor
from ml_predict.tensors import DATATYPES, Array, checked_shape, from_binary, from_json, to_binary, to_json

LONGEST_ID: Final = 256
_LONGEST_TIMEOUT: Final = 10**9
_NOT_SERVED: Final = ("classification", "shared_memory_region")
Place = tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output that is asked for, and how it is to be written."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class Inference:
    """What one request asks. `binary` is how it answers outputs of which nothing was said."""

    feeds: Mapping[str, Array]
    outputs: tuple[Wanted, ...]
    id: str | None
    timeout: float | None

    @property
    def names(self) -> list[str]:
        return [wanted.name for wanted in self.outputs]


def parse(model: Model, body: bytes, json_length: int | None) -> Inference:
    """`json_length` is the length of the JSON at the start of a body with binary tensors behind it.

    Raises BodyMalformed or BodyInvalid.
    """
    if json_length is not None and json_length > len(body):
        raise BodyInvalid.of(
            [(("body",), "Inference-Header-Content-Length is longer than the body", "length")]
        )
    asked = _object(body if json_length is None else body[:json_length])
    rest = memoryview(b"" if json_length is None else body)[json_length or 0 :]
    given = _inputs(model, asked.get("inputs"), rest)
    outputs = _outputs(model, asked)
    identifier = asked.get("id")
    if identifier is not None and not (isinstance(identifier, str) and len(identifier) <= LONGEST_ID):
        raise invalid(("id",), f"must be a string of at most {LONGEST_ID} characters")
    return Inference(given, outputs, identifier, _timeout(asked))


def render(model: Model, asked: Inference, computed: list[Array]) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON when binary tensors follow."""
    listed: list[dict[str, Any]] = []
    tails: list[bytes] = []
    for wanted, array in zip(asked.outputs, computed, strict=True):
        described: dict[str, Any] = {
            "name": wanted.name,
            "datatype": DATATYPES[array.dtype],
            "shape": list(array.shape),
        }
        if wanted.binary:
            tails.append(to_binary(array))
            described["parameters"] = {"binary_data_size": len(tails[-1])}
        else:
            described["data"] = to_json(array)
        listed.append(described)
    answer: dict[str, Any] = {"model_name": model.ref.name, "model_version": model.ref.version}
    if asked.id is not None:
        answer["id"] = asked.id
    head = orjson.dumps(answer | {"outputs": listed})
    return (head + b"".join(tails), len(head)) if tails else (head, None)


def invalid(place: Place, message: str) -> BodyInvalid:
    return BodyInvalid.of([(("body", *place), message, "value_error")])


def _object(text: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BodyMalformed("The body is not valid JSON.") from None
    if not isinstance(found, dict):
        raise invalid((), "must be an object")
    return found


def _inputs(model: Model, listed: Any, rest: memoryview) -> dict[str, Array]:
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise invalid(("inputs",), "must be a list of tensors")
    known = {each.name: each for each in model.inputs}
    feeds: dict[str, Array] = {}
    for position, given in enumerate(listed):
        name = given.get("name")
        if not isinstance(name, str) or name not in known or name in feeds:
            raise invalid(("inputs", position, "name"), f"must name, once each: {', '.join(known)}")
        try:
            feeds[name], rest = _input(known[name], given, rest)
        except TensorInvalid as error:
            raise invalid(("inputs", name, error.member), error.message) from None
    if missing := [name for name in known if name not in feeds]:
        raise invalid(("inputs",), f"lacks {', '.join(missing)}")
    if len(rest):
        raise invalid(("inputs",), f"leave {len(rest)} bytes of the body without a tensor")
    _check_batch(model, feeds)
    model.check(feeds)
    return feeds


def _input(tensor: Tensor, given: dict[str, Any], rest: memoryview) -> tuple[Array, memoryview]:
    datatype = DATATYPES[tensor.dtype]
    if given.get("datatype") != datatype:
        raise TensorInvalid("datatype", f"must be {datatype}")
    shape = checked_shape(given.get("shape"))
    fits = len(shape) == len(tensor.shape) and all(
        size == wanted or (wanted == -1 and size > 0)
        for size, wanted in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        raise TensorInvalid("shape", f"must be {list(tensor.shape)}, where -1 is any length above 0")
    size = _parameters(given).get("binary_data_size")
    if size is None:
        return from_json(given.get("data"), datatype, shape), rest
    if "data" in given:
        raise TensorInvalid("data", "is given twice: in JSON and in binary")
    if type(size) is not int or not 0 <= size <= len(rest):
        raise TensorInvalid(
            "binary_data_size", f"must be a whole number up to the {len(rest)} bytes that are left"
        )
    return from_binary(rest[:size], datatype, shape), rest[size:]


def _parameters(given: dict[str, Any]) -> dict[str, Any]:
    """Unknown members are ignored, as the protocol wants it; those that would change the answer are not."""
    found = given.get("parameters", {})
    if not isinstance(found, dict):
        raise TensorInvalid("parameters", "must be an object")
    for name in _NOT_SERVED:
        if name in found:
            raise TensorInvalid(name, "is not served here")
    return found


def _check_batch(model: Model, feeds: dict[str, Array]) -> None:
    rows = {len(feeds[each.name]) for each in model.inputs if each.shape[:1] == (-1,)}
    if len(rows) > 1:
        raise invalid(("inputs",), f"differ in their number of rows: {sorted(rows)}")


def _outputs(model: Model, asked: dict[str, Any]) -> tuple[Wanted, ...]:
    known = [each.name for each in model.outputs]
    listed = asked.get("outputs")
    try:
        binary = _flag(_parameters(asked), "binary_data_output", default=False)
    except TensorInvalid as error:
        raise invalid((error.member,), error.message) from None
    if listed is None or listed == []:
        return tuple(Wanted(name, binary) for name in known)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise invalid(("outputs",), "must be a list of tensors")
    wanted: dict[str, Wanted] = {}
    for position, each in enumerate(listed):
        name = each.get("name")
        if not isinstance(name, str) or name not in known or name in wanted:
            raise invalid(("outputs", position, "name"), f"must name, once each: {', '.join(known)}")
        try:
            wanted[name] = Wanted(name, _flag(_parameters(each), "binary_data", default=binary))
        except TensorInvalid as error:
            raise invalid(("outputs", name, error.member), error.message) from None
    return tuple(wanted.values())


def _timeout(asked: dict[str, Any]) -> float | None:
    """Seconds. Clients send the parameter in microseconds; 0 means none."""
    found = asked.get("parameters", {}).get("timeout")
    if found is None or found == 0:
        return None
    if type(found) is not int or found < 0:
        raise invalid(("parameters", "timeout"), "must be a whole number of microseconds")
    return min(found, _LONGEST_TIMEOUT) / 1e6


def _flag(parameters: dict[str, Any], name: str, *, default: bool) -> bool:
    found = parameters.get(name, default)
    if not isinstance(found, bool):
        raise TensorInvalid(name, "must be true or false")
    return found


def rows_of(feeds: Mapping[str, Array]) -> int:
    """How many rows a request has, for the decision where it is computed."""
    return max((len(array) for array in feeds.values() if array.ndim), default=1)
