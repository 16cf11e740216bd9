"""Adds to the trees' graph what turns a logarithm into prices, so that the server needs no code for it."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from onnx import TensorProto, helper, load_from_string, numpy_helper

from ml_training.features import CLARITIES, CLARITY_COLUMN

COLUMNS: Final = ("estimate", "low", "high")


def with_prices(trees: bytes, half_widths: Mapping[str, float]) -> bytes:
    """`features` -> `prices` [N, 3] float64: exp(log_usd + (0, -w, +w)), w by the row's clarity grade.

    `log_usd` stays an output. In float64, because an exponential in float32 loses cents on expensive stones.
    """
    model: Any = load_from_string(trees)
    widths = np.array([half_widths[grade] for grade in CLARITIES])
    steps = np.stack((np.zeros_like(widths), -widths, widths), axis=1)
    constants = {"clarity_column": np.array(CLARITY_COLUMN, np.int64), "steps": steps}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    node = helper.make_node
    model.graph.node.extend(
        [
            node("Gather", ["features", "clarity_column"], ["clarity"], axis=1),
            node("Cast", ["clarity"], ["grade"], to=TensorProto.INT64),
            node("Gather", ["steps", "grade"], ["step"], axis=0),
            node("Cast", ["log_usd"], ["logarithm"], to=TensorProto.DOUBLE),
            node("Add", ["logarithm", "step"], ["logarithms"]),
            node("Exp", ["logarithms"], ["prices"]),
        ]
    )
    model.graph.output.append(
        helper.make_tensor_value_info("prices", TensorProto.DOUBLE, [None, len(COLUMNS)])
    )
    onnx: bytes = model.SerializeToString(deterministic=True)
    return onnx
