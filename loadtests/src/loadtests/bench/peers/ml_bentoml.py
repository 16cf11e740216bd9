"""BentoML as its documentation shows it; BATCH=1 switches adaptive batching off."""

import os

import bentoml
import numpy as np
from ml_arrays import open_session, run

BATCH = int(os.environ["BATCH"])


@bentoml.service(workers=1, traffic={"timeout": 30})
class Model:
    def __init__(self) -> None:
        self.session = open_session()

    if BATCH > 1:

        @bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=1000)
        def predict(self, instances: list[list[float]]) -> list[list[float]]:
            return run(self.session, instances).tolist()

    else:

        @bentoml.api
        def predict(self, instances: list[list[float]]) -> list[list[float]]:
            return run(self.session, np.array(instances)).tolist()
