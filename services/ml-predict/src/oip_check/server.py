"""The server under test: its address, the model that is asked, and inputs that fit this model."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

LENGTH: Final = "Inference-Header-Content-Length"
NUMBERS: Final = {"BOOL": "?", "UINT8": "B", "UINT16": "<H", "UINT32": "<I", "UINT64": "<Q"} | {
    "INT8": "b", "INT16": "<h", "INT32": "<i", "INT64": "<q", "FP16": "<e", "FP32": "<f", "FP64": "<d"
}  # fmt: skip


@dataclass
class Server:
    """`example` holds values by input for one row; an input that it lacks is sent as zeros."""

    client: httpx2.Client
    model: str
    example: Mapping[str, list[Any]] = field(default_factory=dict)

    def get(self, path: str) -> httpx2.Response:
        return self.client.get(path)

    def metadata(self) -> dict[str, Any]:
        answer = self.get(f"/v2/models/{self.model}")
        assert answer.status_code == 200, f"metadata of {self.model}: {answer.status_code}"
        found: dict[str, Any] = answer.json()
        return found

    def infer(self, body: Any, path: str = "", headers: Mapping[str, str] | None = None) -> httpx2.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        return self.client.post(f"/v2/models/{self.model}{path}/infer", content=content, headers=given)

    def infer_binary(self, head: Any, tail: bytes, length: int | None = None) -> httpx2.Response:
        encoded = json.dumps(head).encode()
        told = {LENGTH: str(len(encoded) if length is None else length)}
        return self.infer(encoded + tail, headers={"Content-Type": "application/octet-stream"} | told)

    def inputs(self, rows: int = 1) -> list[dict[str, Any]]:
        """Tensors as JSON: the example's row, or zeros, `rows` times."""
        return [self._tensor(each, rows) for each in self.metadata()["inputs"]]

    def _tensor(self, described: dict[str, Any], rows: int) -> dict[str, Any]:
        name, datatype = described["name"], described["datatype"]
        declared = [int(size) for size in described["shape"]]
        batched = bool(declared) and declared[0] == -1
        given = self.example.get(name)
        rest = [len(given) if size == -1 and given else max(size, 1) for size in declared[1:]]
        row = given or [_zero(datatype)] * math.prod(rest)
        count = rows if batched else (declared[0] if declared else 1)
        shape = [count, *rest] if declared else []
        return {"name": name, "datatype": datatype, "shape": shape, "data": [*row] * count}


def _zero(datatype: str) -> Any:
    if datatype == "BYTES":
        return ""
    return False if datatype == "BOOL" else 0 if "INT" in datatype else 0.0
