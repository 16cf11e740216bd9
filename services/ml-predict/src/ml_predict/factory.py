"""Builds the service from its resources."""

from concurrent.futures import Executor

from ml_predict.exceptions import ModelMissing
from ml_predict.repository import Repository
from ml_predict.service import PredictionService
from ml_predict.settings import MlPredictSettings


def prediction_service(settings: MlPredictSettings, pool: Executor) -> PredictionService:
    """With every model of the repository loaded and warm. Raises ModelUnusable."""
    name, version = settings.model_name, settings.model_version
    repository = Repository(settings.model_repository, {name: version} if version else {})
    repository.load_all()
    if name not in repository.defaults():
        raise ModelMissing(settings.model_repository / name)
    return PredictionService(repository, pool, name)
