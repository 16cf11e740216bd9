"""What the protocol demands, one function a demand. An AssertionError says what was found instead."""

import math
import struct
from collections.abc import Callable
from typing import Any, Final

import httpx2

from oip_check.server import LENGTH, NUMBERS, Server

Check = Callable[[Server], None]


def server_is_live(server: Server) -> None:
    assert server.get("/v2/health/live").status_code == 200


def server_is_ready(server: Server) -> None:
    assert server.get("/v2/health/ready").status_code == 200


def server_describes_itself(server: Server) -> None:
    found = server.get("/v2").json()
    assert isinstance(found["name"], str)
    assert isinstance(found["version"], str)
    assert isinstance(found["extensions"], list)


def model_is_ready(server: Server) -> None:
    assert server.get(f"/v2/models/{server.model}/ready").status_code == 200


def model_describes_itself(server: Server) -> None:
    found = server.metadata()
    assert found["name"] == server.model
    assert isinstance(found["platform"], str)
    for tensor in [*found["inputs"], *found["outputs"]]:
        assert set(tensor) >= {"name", "datatype", "shape"}, tensor
        assert tensor["datatype"] in {*NUMBERS, "BYTES", "BF16"}, tensor
        assert all(isinstance(size, int) and size >= -1 for size in tensor["shape"]), tensor


def versions_have_paths_of_their_own(server: Server) -> None:
    for version in server.metadata().get("versions") or []:
        path = f"/v2/models/{server.model}/versions/{version}"
        assert server.get(path).status_code == 200
        assert server.get(f"{path}/ready").status_code == 200
        answer = server.infer({"inputs": server.inputs()}, f"/versions/{version}")
        assert answer.status_code == 200, _shown(answer)
        assert answer.json()["model_version"] == version


def unknown_models_are_not_found(server: Server) -> None:
    assert server.get("/v2/models/there-is-no-such-model").status_code in range(400, 500)
    assert server.get("/v2/models/there-is-no-such-model/ready").status_code != 200
    assert server.get(f"/v2/models/{server.model}/versions/99999999").status_code in range(400, 500)


def inference_answers_every_output(server: Server) -> None:
    for rows in (1, 3):
        found = _good(server.infer({"inputs": server.inputs(rows)}))
        assert found["model_name"] == server.model
        described = {each["name"]: each for each in server.metadata()["outputs"]}
        assert {each["name"] for each in found["outputs"]} == set(described)
        for output in found["outputs"]:
            assert output["datatype"] == described[output["name"]]["datatype"], output["name"]
            assert len(_flat(output["data"])) == math.prod(output["shape"]), output["name"]


def nested_data_is_read_row_by_row(server: Server) -> None:
    inputs = server.inputs(2)
    nested = [{**each, "data": _nested(each["data"], each["shape"])} for each in inputs]
    assert _outputs(server, {"inputs": nested}) == _outputs(server, {"inputs": inputs})


def id_is_returned(server: Server) -> None:
    found = _good(server.infer({"id": "a request of mine", "inputs": server.inputs()}))
    assert found["id"] == "a request of mine"


def parameters_are_accepted(server: Server) -> None:
    inputs = [{**each, "parameters": {}} for each in server.inputs()]
    _good(server.infer({"parameters": {"priority": 1}, "inputs": inputs}))


def outputs_can_be_chosen(server: Server) -> None:
    for described in server.metadata()["outputs"]:
        found = _good(server.infer({"inputs": server.inputs(), "outputs": [{"name": described["name"]}]}))
        assert [each["name"] for each in found["outputs"]] == [described["name"]]


def binary_inputs_equal_json(server: Server) -> None:
    inputs = server.inputs(2)
    head, tail = _as_binary(inputs)
    answer = server.infer_binary({"inputs": head}, tail)
    assert answer.status_code == 200, _shown(answer)
    assert _good(answer)["outputs"] == _outputs(server, {"inputs": inputs})


def binary_outputs_equal_json(server: Server) -> None:
    inputs = server.inputs(2)
    answer = server.infer({"inputs": inputs, "parameters": {"binary_data_output": True}})
    assert answer.status_code == 200, _shown(answer)
    assert LENGTH in answer.headers, f"no {LENGTH}"
    length = int(answer.headers[LENGTH])
    place, plain = length, _outputs(server, {"inputs": inputs})
    for output, expected in zip(
        httpx2.Response(200, content=answer.content[:length]).json()["outputs"], plain, strict=True
    ):
        size = output["parameters"]["binary_data_size"]
        data = answer.content[place : place + size]
        place += size
        assert _unpacked(data, output["datatype"]) == _flat(expected["data"]), output["name"]
    assert place == len(answer.content), "bytes are left"


def faulty_requests_are_the_clients_fault(server: Server) -> None:
    (first, *rest) = server.inputs()
    longer = [*first["shape"][:-1], first["shape"][-1] + 1]
    faulty: dict[str, Any] = {
        "no JSON": b"{",
        "no object": [],
        "no inputs": {},
        "an unknown input": {"inputs": [{**first, "name": "there is no such input"}, *rest]},
        "a missing input": {"inputs": rest},
        "another datatype": {"inputs": [{**first, "datatype": "NONSENSE"}, *rest]},
        "a shape that lies": {"inputs": [{**first, "shape": longer}, *rest]},
        "a negative shape": {"inputs": [{**first, "shape": [-1, -1]}, *rest]},
        "text for numbers": {"inputs": [{**first, "data": ["x"] * len(first["data"])}, *rest]},
        "an unknown output": {"inputs": [first, *rest], "outputs": [{"name": "there is no such output"}]},
    }
    found = {name: server.infer(body).status_code for name, body in faulty.items()}
    assert {name: status for name, status in found.items() if status not in range(400, 500)} == {}


def truncated_binary_is_the_clients_fault(server: Server) -> None:
    head, tail = _as_binary(server.inputs())
    encoded = len(str(head)) + len(tail) + 1000
    found = {
        "short": server.infer_binary({"inputs": head}, tail[:-1]).status_code,
        "long": server.infer_binary({"inputs": head}, tail + b"\0").status_code,
        "lying": server.infer_binary({"inputs": head}, tail, encoded).status_code,
    }
    assert {name: status for name, status in found.items() if status not in range(400, 500)} == {}


def errors_are_json_with_a_message(server: Server) -> None:
    answer = server.infer({"inputs": []})
    assert isinstance(answer.json().get("error"), str), _shown(answer)


CORE: Final[tuple[Check, ...]] = (
    server_is_live,
    server_is_ready,
    server_describes_itself,
    model_is_ready,
    model_describes_itself,
    versions_have_paths_of_their_own,
    unknown_models_are_not_found,
    inference_answers_every_output,
    nested_data_is_read_row_by_row,
    id_is_returned,
    parameters_are_accepted,
    outputs_can_be_chosen,
    faulty_requests_are_the_clients_fault,
    errors_are_json_with_a_message,
)
BINARY: Final[tuple[Check, ...]] = (
    binary_inputs_equal_json,
    binary_outputs_equal_json,
    truncated_binary_is_the_clients_fault,
)


def _good(answer: httpx2.Response) -> dict[str, Any]:
    assert answer.status_code == 200, _shown(answer)
    found: dict[str, Any] = answer.json()
    return found


def _shown(answer: httpx2.Response) -> str:
    return f"{answer.status_code}: {answer.text[:300]}"


def _outputs(server: Server, body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _good(server.infer(body))["outputs"]
    return found


def _flat(data: Any) -> list[Any]:
    if not isinstance(data, list):
        return [data]
    return [value for each in data for value in _flat(each)]


def _nested(flat: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) < 2:
        return flat
    size = len(flat) // shape[0]
    return [_nested(flat[start : start + size], shape[1:]) for start in range(0, len(flat), size)]


def _as_binary(inputs: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bytes]:
    head, tail = [], b""
    for each in inputs:
        data = b"".join(_packed(value, each["datatype"]) for value in each["data"])
        described = {name: value for name, value in each.items() if name != "data"}
        head.append({**described, "parameters": {"binary_data_size": len(data)}})
        tail += data
    return head, tail


def _packed(value: Any, datatype: str) -> bytes:
    if datatype == "BYTES":
        text = str(value).encode()
        return struct.pack("<I", len(text)) + text
    return struct.pack(NUMBERS[datatype], value)


def _unpacked(data: bytes, datatype: str) -> list[Any]:
    if datatype != "BYTES":
        return [value for (value,) in struct.iter_unpack(NUMBERS[datatype], data)]
    found, place = [], 0
    while place < len(data):
        (length,) = struct.unpack_from("<I", data, place)
        found.append(data[place + 4 : place + 4 + length].decode())
        place += 4 + length
    return found
