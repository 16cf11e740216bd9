"""Documents of the Open Inference Protocol (v2): what the server and its models say of themselves."""

from typing import Final

import orjson
from pydantic import BaseModel

from ml_predict.repository import Repository
from ml_predict.session import Tensor
from ml_predict.tensors import DATATYPES

LENGTH: Final = "Inference-Header-Content-Length"
EXTENSIONS: Final = ("binary_tensor_data", "model_repository")
PLATFORM: Final = "onnxruntime_onnx"


class ServerMetadata(BaseModel):
    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadata(BaseModel):
    """-1 stands for a dimension of any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]


class Execution(BaseModel):
    """What was measured at warm-up, and what follows from it; not a part of the protocol.

    Microseconds for one row and for 32; up to `inline_rows` rows are computed on the event loop.
    """

    one_row_us: float
    many_rows_us: float
    batching: str
    inline_rows: int


class ModelMetadata(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    parameters: Execution


class ModelReady(BaseModel):
    name: str
    ready: bool


class Index(BaseModel):
    name: str
    version: str
    state: str
    reason: str


def server(version: str) -> ServerMetadata:
    return ServerMetadata(name="facet-ml-predict", version=version, extensions=EXTENSIONS)


def metadata_of(repository: Repository, name: str, version: str | None) -> ModelMetadata:
    """Of one version; `versions` lists all of them. Raises ModelNotFound."""
    model = repository.find(name, version)
    return ModelMetadata(
        name=name,
        versions=sorted(each.ref.version for each in repository if each.ref.name == name),
        platform=PLATFORM,
        inputs=[_described(tensor) for tensor in model.inputs],
        outputs=[_described(tensor) for tensor in model.outputs],
        parameters=Execution(
            one_row_us=round(model.costs.one * 1e6, 1),
            many_rows_us=round(model.costs.many * 1e6, 1),
            batching="on" if model.batches else "off",
            inline_rows=model.inline_rows,
        ),
    )


def index(repository: Repository) -> bytes:
    """The repository extension's list of models: what is served, and what was refused with its reason."""
    refused = {version: str(error) for version, error in repository.refused.items()}
    served = {model.labels for model in repository}
    listed = [
        Index(
            name=version[0],
            version=version[1],
            state="READY" if version in served else "UNAVAILABLE",
            reason=refused.get(version, ""),
        )
        for version in sorted(served | refused.keys())
    ]
    return orjson.dumps([each.model_dump() for each in listed])


def _described(tensor: Tensor) -> TensorMetadata:
    return TensorMetadata(name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=tensor.shape)
