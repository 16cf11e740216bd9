"""What a worker holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from ml_predict.model import PriceModel
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings
from shared.health import Check
from shared.identity import Revocations, TokenVerifier, remote_identity


class Resources(TypedDict):
    predictions: PredictionService
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: MlPredictSettings) -> AsyncIterator[Resources]:
    """The model comes first: without it nothing else is worth opening. Raises ModelUnusable.

    It is loaded here, after the fork, because neither an ONNX session nor a thread survives one.
    """
    async with AsyncExitStack() as stack:
        model = PriceModel.load(settings.model_folder)
        model.warm_up()
        pool = stack.enter_context(ThreadPoolExecutor(settings.prediction_threads, "predict"))
        identity = await stack.enter_async_context(remote_identity(settings))
        predictions = PredictionService(model, pool)
        yield {
            "predictions": predictions,
            "verifier": identity.verifier,
            "revocations": identity.revocations,
            "checks": [Check("model", predictions.ping), *identity.checks],
        }
