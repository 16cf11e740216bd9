"""The rules of the model that appraises: another default version makes all appraisals by the others old."""

from items.domain import Model
from items.store import Store
from shared.logging import get_logger

log = get_logger()


class ModelService:
    """`sequence` is the event's: what is older than the newest known one changes nothing, so events may be
    repeated and come out of order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def become(self, model: Model, sequence: int) -> None:
        """Listings are appraised anew when somebody asks; what `model` has said before counts again."""
        if await self._store.autocommit.models.learn(model, sequence):
            log.info("default_model_changed", model=model.name, version=model.version)
