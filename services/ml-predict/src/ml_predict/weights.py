"""Weights in a file beside their graph, which all workers map into memory."""

from pathlib import Path
from typing import Final

import onnxruntime as ort

FILE: Final = "model.onnx.data"
SMALLEST: Final = 65_536  # bytes of a tensor that is moved; each is mapped by itself


def move_weights(source: Path, folder: Path) -> Path:
    """Write the graph of `source` as `folder/model.onnx`, and its weights beside it.

    They may be in a file beside `source` already. Raises ValueError if there are none, or no graph.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.optimized_model_filepath = str(folder / "model.onnx")
    prefix = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{prefix}_file_name", FILE)
    options.add_session_config_entry(f"{prefix}_min_size_in_bytes", str(SMALLEST))
    try:
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(str(error)) from error
    written = folder / FILE
    if not written.exists() or not written.stat().st_size:
        raise ValueError(f"{source} has no tensor of {SMALLEST} bytes: there is nothing to share")
    return written
