"""What a worker holds while it runs: opened in this order, closed in reverse."""

import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypedDict

from ml_predict.factory import announcer, loaded_repository, prediction_service, versions
from ml_predict.lean_routes import LeanRoutes
from ml_predict.routes import ROUTERS
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings
from ml_predict.versions import FOLLOW_SECONDS, Versions
from shared.background import repeated
from shared.health import Check
from shared.identity import TokenVerifier
from shared.identity.remote import remote_identity
from shared.identity.revocations import Revocations
from shared.redis import stream_client

SWITCH_SECONDS: Final = 0.0005
"""For which a thread that computes waits for the interpreter while the event loop is busy; Python's own 5 ms
are longer than many a call."""


class Resources(TypedDict):
    predictions: PredictionService
    versions: Versions
    lean_routes: LeanRoutes
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: MlPredictSettings) -> AsyncIterator[Resources]:
    """The models come first: without them nothing else is worth opening. Raises ModelUnusable.

    They are loaded here, after the fork, because neither an ONNX session nor a thread survives one.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    async with AsyncExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(settings.prediction_threads, "predict"))
        reading = stack.enter_context(ThreadPoolExecutor(1, "read"))
        spare = stack.enter_context(ThreadPoolExecutor(1, "spare"))
        repository = loaded_repository(settings)
        predictions = prediction_service(settings, repository, pool, reading, spare)
        served = versions(settings, repository, spare)
        await stack.enter_async_context(repeated(served.follow, "follow_models", pause=FOLLOW_SECONDS))
        redis = await stack.enter_async_context(stream_client(settings))
        announced = announcer(settings, repository, redis)
        await stack.enter_async_context(repeated(announced.follow, "announce_defaults", pause=FOLLOW_SECONDS))
        identity = await stack.enter_async_context(remote_identity(settings))
        yield {
            "predictions": predictions,
            "versions": served,
            "lean_routes": LeanRoutes(ROUTERS, limit=settings.body_limit, private_port=settings.metrics_port),
            "verifier": identity.verifier,
            "revocations": identity.revocations,
            "checks": [Check("models", predictions.ping), *identity.checks],
        }
