"""LitServe as its documentation shows it; BATCH=1 switches batching off."""

import os

import litserve as ls
import numpy as np
from ml_arrays import open_session, run

BATCH = int(os.environ["BATCH"])


class Api(ls.LitAPI):
    def setup(self, device):  # noqa: ARG002 - the framework calls it so
        self.session = open_session()

    def decode_request(self, request):
        return np.asarray(request["instances"], np.float32)

    def batch(self, inputs):
        self.sizes = [len(rows) for rows in inputs]
        return np.concatenate(inputs)

    def unbatch(self, output):
        return np.split(output, np.cumsum(self.sizes)[:-1])

    def predict(self, rows):
        return run(self.session, rows)

    def encode_response(self, output):
        return {"predictions": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(
        Api(max_batch_size=BATCH, batch_timeout=0.002 if BATCH > 1 else 0.0),
        accelerator="cpu",
        workers_per_device=1,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
