"""The model servers that are compared: how each is started, asked and read."""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.bench import environment
from loadtests.bench.rig import free_port

PEERS = Path(__file__).parent / "peers"
Rows = Sequence[Mapping[str, Any]]
LENGTH = "Inference-Header-Content-Length"
_SIZES = {"FP32": ("f", 4), "FP64": ("d", 8), "INT64": ("q", 8)}
_JSON_END = b'{"binary_data_output": true}}'


@dataclass(frozen=True, slots=True)
class Task:
    """One model: its file, and how one instance becomes a row of numbers."""

    name: str
    model: Path
    input: str
    row: Callable[[Mapping[str, Any]], list[float]]
    columns: int = 0
    outputs: int = 0
    output_type: str = "FP32"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs: its own folder and port, and what only ours needs."""

    folder: Path
    port: int
    task: Task
    ours: Mapping[str, str]  # environment of our services: keys, Redis, tokens


@dataclass(frozen=True, slots=True)
class ModelServer:
    """`settings` is printed with the figures. `helper` runs before it, on the same core."""

    name: str
    title: str
    settings: str
    command: Callable[[Place], list[str]]
    environment: Callable[[Place], Mapping[str, str]]
    path: Callable[[Task], str]
    body: Callable[[Task, Rows], bytes]
    first: Callable[[Any], list[float]]
    ours: bool = False
    through_gateway: bool = False
    headers: Callable[[bytes], Mapping[str, str]] = lambda _: {}
    read: Callable[[bytes], Any] = json.loads


def _named(_: Task, rows: Rows) -> bytes:
    return json.dumps({"instances": rows}).encode()


def _lists(task: Task, rows: Rows) -> bytes:
    return json.dumps({"instances": [task.row(row) for row in rows]}).encode()


def _tensor(task: Task, rows: Rows) -> bytes:
    data = [task.row(row) for row in rows]
    shape = [len(data), len(data[0])]
    flat = [value for row in data for value in row]
    tensor = {"name": task.input, "shape": shape, "datatype": "FP32", "data": flat}
    return json.dumps({"inputs": [tensor]}).encode()


def _binary(task: Task, rows: Rows) -> bytes:
    """The JSON, which has one length for one number of rows, and the numbers behind it."""
    data = [value for row in rows for value in task.row(row)]
    size = {"binary_data_size": 4 * len(data)}
    tensor = {"name": task.input, "shape": [len(rows), len(data) // len(rows)], "datatype": "FP32"}
    asked = {"inputs": [tensor | {"parameters": size}], "parameters": {"binary_data_output": True}}
    return json.dumps(asked).encode() + struct.pack(f"<{len(data)}f", *data)


def _json_length(body: bytes) -> Mapping[str, str]:
    return {LENGTH: str(body.index(_JSON_END) + len(_JSON_END))}


def _read_binary(answer: bytes) -> Any:
    """As if the tensors had been JSON."""
    document, end = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    for output in document["outputs"]:
        size = output["parameters"]["binary_data_size"]
        count = size // _SIZES[output["datatype"]][1]
        output["data"] = struct.unpack(f"<{count}{_SIZES[output['datatype']][0]}", answer[end : end + size])
        end += size
    return document


def _v2(answer: Any) -> list[float]:
    shown = {output["name"]: output["data"] for output in answer["outputs"]}
    return list(shown["prices" if "prices" in shown else "probabilities"])


def _facet(place: Place) -> Mapping[str, str]:
    return {**place.ours, "ML_PREDICT_PORT": str(place.port), "ML_PREDICT_MODEL_NAME": place.task.name}


def _peer(place: Place, batch: int = 1) -> dict[str, str]:
    return {
        "MODEL": str(place.task.model),
        "NAME": place.task.name,
        "PORT": str(place.port),
        "BATCH": str(batch),
        "PYTHONPATH": str(PEERS),
        "HOME": str(place.folder),
        "BENTOML_HOME": str(place.folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }


def _by_hand(place: Place) -> list[str]:
    python = environment.model_server("by-hand") / "python"
    command = [str(python), "-m", "uvicorn", "ml_by_hand:app", "--app-dir", str(PEERS)]
    command += ["--host", "127.0.0.1", "--port", str(place.port), "--loop", "uvloop", "--http", "httptools"]
    return [*command, "--no-access-log", "--log-level", "warning"]


def _litserve(_: Place) -> list[str]:
    return [str(environment.model_server("litserve") / "python"), str(PEERS / "ml_litserve.py")]


def _bentoml(place: Place) -> list[str]:
    program = str(environment.model_server("bentoml") / "bentoml")
    command = [program, "serve", "ml_bentoml:Model", "--host", "127.0.0.1", "--port", str(place.port)]
    return [*command, "--working-dir", str(PEERS), "--api-workers", "1", "-q"]


def _mlserver(batch: int) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        folder = place.folder / f"mlserver-{batch}-{place.task.name}"
        folder.mkdir(exist_ok=True)
        ports = {"http_port": place.port, "grpc_port": free_port(), "metrics_port": free_port()}
        server = {"host": "127.0.0.1", "debug": False, "parallel_workers": 0, **ports}
        task = place.task
        model: dict[str, Any] = {
            "name": task.name,
            "implementation": "ml_mlserver.Runtime",
            "inputs": [{"name": task.input, "datatype": "FP32", "shape": [-1, task.columns]}],
            "outputs": [{"name": "predictions", "datatype": task.output_type, "shape": [-1, task.outputs]}],
        }
        if batch > 1:
            model |= {"max_batch_size": batch, "max_batch_time": 0.002}
        (folder / "settings.json").write_text(json.dumps(server))
        (folder / "model-settings.json").write_text(json.dumps(model))
        return [str(environment.model_server("mlserver") / "mlserver"), "start", str(folder)]

    return command


def _columns(answer: Any) -> list[float]:
    (first, *_) = answer["predictions"]
    if isinstance(first, list):
        return first
    found: list[float] = first["probabilities"] if "probabilities" in first else list(first.values())
    return found


def _batched(batch: int) -> Callable[[Place], Mapping[str, str]]:
    return lambda place: _peer(place, batch)


SERVERS: dict[str, ModelServer] = {
    server.name: server
    for server in (
        ModelServer(
            "facet", "Facet", "identity, metrics and log on; one worker",
            lambda _: [str(environment.our_python()), "-m", "ml_predict"],
            _facet, lambda _: "/predict", _named, _columns, ours=True,
        ),
        ModelServer(
            "facet-v2", "Facet, /v2 tensors as JSON", "the same",
            lambda _: [str(environment.our_python()), "-m", "ml_predict"],
            _facet, lambda task: f"/v2/models/{task.name}/infer", _tensor, _v2, ours=True,
        ),
        ModelServer(
            "facet-binary", "Facet, /v2 binary tensors", "the same",
            lambda _: [str(environment.our_python()), "-m", "ml_predict"],
            _facet, lambda task: f"/v2/models/{task.name}/infer", _binary,
            _v2, ours=True, headers=_json_length, read=_read_binary,
        ),
        ModelServer(
            "facet-gateway", "Facet through its gateway", "both on the one core",
            lambda _: [str(environment.our_python()), "-m", "ml_predict"],
            _facet, lambda _: "/predict", _named, _columns, ours=True, through_gateway=True,
        ),
        ModelServer(
            "by-hand", "FastAPI + onnxruntime by hand", "uvicorn, uvloop, httptools, pydantic; nothing else",
            _by_hand, _peer, lambda _: "/predict", _named, _columns,
        ),
        ModelServer(
            "litserve", "LitServe", "one API server, one worker, max_batch_size 1",
            _litserve, _peer, lambda _: "/predict", _lists, _columns,
        ),
        ModelServer(
            "litserve-32", "LitServe, batching", "the same, max_batch_size 32, batch_timeout 2 ms",
            _litserve, _batched(32), lambda _: "/predict", _lists, _columns,
        ),
        ModelServer(
            "bentoml", "BentoML", "one API worker, one worker",
            _bentoml, _peer, lambda _: "/predict", _lists, lambda answer: list(answer[0]),
        ),
        ModelServer(
            "bentoml-32", "BentoML, adaptive batching", "the same, max_batch_size 32",
            _bentoml, _batched(32), lambda _: "/predict", _lists, lambda answer: list(answer[0]),
        ),
        ModelServer(
            "mlserver", "MLServer", "a custom runtime in the server's process (parallel_workers 0)",
            _mlserver(1), _peer, lambda task: f"/v2/models/{task.name}/infer", _tensor,
            lambda answer: list(answer["outputs"][0]["data"]),
        ),
        ModelServer(
            "mlserver-32", "MLServer, adaptive batching", "the same, max_batch_size 32, max_batch_time 2 ms",
            _mlserver(32), _peer, lambda task: f"/v2/models/{task.name}/infer", _tensor,
            lambda answer: list(answer["outputs"][0]["data"]),
        ),
    )
}  # fmt: skip
