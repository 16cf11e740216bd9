"""Builds the services from their resources."""

from concurrent.futures import Executor
from pathlib import Path

from redis.asyncio import Redis

from ml_predict.announcer import Announcer
from ml_predict.reading import Reader
from ml_predict.repository import Repository
from ml_predict.scheduler import Limits, Scheduler
from ml_predict.service import PredictionService
from ml_predict.serving_state import StateFile
from ml_predict.settings import MlPredictSettings
from ml_predict.shadows import Shadows
from ml_predict.versions import Versions


def prediction_service(
    settings: MlPredictSettings, repository: Repository, pool: Executor, reading: Executor, spare: Executor
) -> PredictionService:
    """`pool` computes and `reading` reads what callers wait for; `spare` does what nobody waits for."""
    limits = Limits(
        queue=settings.queue_seconds,
        deadline=settings.queue_deadline,
        batch_rows=settings.batch_rows,
        threads=settings.prediction_threads,
    )
    scheduler = Scheduler(pool, limits)
    return PredictionService(
        repository, scheduler, Reader(reading), Shadows(spare), default=settings.model_name
    )


def loaded_repository(settings: MlPredictSettings) -> Repository:
    """Every model of the folder, loaded and warm. Raises ModelUnusable if the main model cannot be served."""
    name, version = settings.model_name, settings.model_version
    repository = Repository(settings.model_repository, {name: version} if version else {})
    repository.load_all(StateFile(state_path(settings)).read())
    repository.require(name)
    return repository


def versions(settings: MlPredictSettings, repository: Repository, spare: Executor) -> Versions:
    state = StateFile(state_path(settings))
    return Versions(repository, state, spare, main=settings.model_name, watching=settings.watch)


def announcer(settings: MlPredictSettings, repository: Repository, redis: Redis) -> Announcer:
    def defaults() -> dict[str, str]:
        return {name: model.ref.version for name, model in repository.defaults().items()}

    return Announcer(redis, defaults, main=settings.model_name)


def state_path(settings: MlPredictSettings) -> Path:
    return settings.state_file or settings.model_repository / "serving.json"
