"""A custom runtime for MLServer, as its documentation shows it; its batching is a setting of the model."""

from ml_arrays import open_session, run
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Runtime(MLModel):
    async def load(self) -> bool:
        self.session = open_session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        rows = NumpyCodec.decode_input(payload.inputs[0])
        output = NumpyCodec.encode_output("predictions", run(self.session, rows))
        return InferenceResponse(model_name=self.name, outputs=[output])
