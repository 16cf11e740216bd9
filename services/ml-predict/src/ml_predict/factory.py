"""Builds the service from its resources."""

from concurrent.futures import Executor

from ml_predict.exceptions import ModelMissing
from ml_predict.repository import Repository
from ml_predict.scheduler import Limits, Scheduler
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings


def prediction_service(settings: MlPredictSettings, pool: Executor) -> PredictionService:
    """With every model of the repository loaded and warm. Raises ModelUnusable."""
    name, version = settings.model_name, settings.model_version
    repository = Repository(settings.model_repository, {name: version} if version else {})
    repository.load_all()
    if name not in repository.defaults():
        raise ModelMissing(settings.model_repository / name)
    limits = Limits(
        queue=settings.queue_seconds,
        deadline=settings.queue_deadline,
        batch_rows=settings.batch_rows,
        threads=settings.prediction_threads,
    )
    return PredictionService(repository, Scheduler(pool, limits), name)
