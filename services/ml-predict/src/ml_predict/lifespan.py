"""What a worker holds while it runs: opened in this order, closed in reverse."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from ml_predict.factory import prediction_service
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings
from shared.health import Check
from shared.identity import TokenVerifier
from shared.identity.remote import remote_identity
from shared.identity.revocations import Revocations


class Resources(TypedDict):
    predictions: PredictionService
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: MlPredictSettings) -> AsyncIterator[Resources]:
    """The models come first: without them nothing else is worth opening. Raises ModelUnusable.

    They are loaded here, after the fork, because neither an ONNX session nor a thread survives one.
    """
    async with AsyncExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(settings.prediction_threads, "predict"))
        predictions = prediction_service(settings, pool)
        identity = await stack.enter_async_context(remote_identity(settings))
        yield {
            "predictions": predictions,
            "verifier": identity.verifier,
            "revocations": identity.revocations,
            "checks": [Check("models", predictions.ping), *identity.checks],
        }
