"""What all peers but the one by hand share: a session of one thread, and rows as lists of numbers."""

import os
from typing import Any

import numpy as np
import onnxruntime as ort

INPUT = {"diamond-price": "features", "digits": "pixels"}
OUTPUTS = {"diamond-price": ["prices"], "digits": ["probabilities", "digit"]}
NAME = os.environ["NAME"]


def open_session() -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])


def run(session: ort.InferenceSession, rows: Any) -> Any:
    """The first output: prices, or probabilities."""
    return session.run(OUTPUTS[NAME], {INPUT[NAME]: np.asarray(rows, np.float32)})[0]
