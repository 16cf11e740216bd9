"""What a worker holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from ml_predict.model import PriceModel
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings
from shared.cache import request_client, subscriber_client
from shared.health import Check
from shared.http import service_client
from shared.identity import RemoteKeys, Revocations, TokenVerifier

KEYS_TIMEOUT = 2.0  # seconds


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
        redis = request_client(settings)
        stack.push_async_callback(redis.aclose)
        subscriber = subscriber_client(settings)
        stack.push_async_callback(subscriber.aclose)
        revocations = await stack.enter_async_context(Revocations(subscriber).listening())
        client = await stack.enter_async_context(service_client("", timeout=KEYS_TIMEOUT))
        keys = RemoteKeys(settings.jwks_url, client)
        predictions = PredictionService(model, pool)
        yield {
            "predictions": predictions,
            "verifier": TokenVerifier(keys, settings.token_issuer, settings.token_audience),
            "revocations": revocations,
            "checks": [
                Check("model", predictions.ping),
                Check("keys", keys.ping),
                Check("redis", redis.ping),
            ],
        }
