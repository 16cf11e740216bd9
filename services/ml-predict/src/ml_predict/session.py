"""ONNX Runtime: how a graph is opened, and what its tensors are called."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import onnxruntime as ort

DTYPES: Final[dict[str, type[np.generic]]] = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(string)": np.object_,
}


class Tensor(NamedTuple):
    """An input or output of the graph; -1 stands for a dimension of any length."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def open_session(onnx: bytes, weights_folder: Path | None = None) -> ort.InferenceSession:
    """A CPU session that computes in the calling thread: workers are processes, so none starts threads.

    Weights in a file of their own are mapped into memory: all workers share one copy. Rearranged for the CPU
    ("prepacked"), each worker would have its own.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # what a caller's tensor does to a graph is answered to the caller
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    if weights_folder is not None:
        folder = str(weights_folder.resolve())
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", folder)
        options.add_session_config_entry("session.disable_prepacking", "1")
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])


def described(argument: Any) -> Tensor:
    """What the session says of an input or output."""
    shape = tuple(size if isinstance(size, int) else -1 for size in argument.shape)
    return Tensor(argument.name, np.dtype(DTYPES[argument.type]), shape)
