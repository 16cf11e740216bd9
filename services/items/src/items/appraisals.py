"""The rules of appraisals: one is remembered until another model is the default, or the diamond another."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from items.appraiser import Appraiser
from items.domain import Appraisable, Appraisal, Features, Model
from items.exceptions import (
    AppraisalFailed,
    AppraisalRefused,
    AppraisalTimeout,
    AppraisalUnavailable,
    ItemNotFound,
    NotAppraisable,
)
from items.store import Store
from shared.background import repeated
from shared.exceptions import ServiceError
from shared.logging import get_logger

LOOK: Final = 600.0  # seconds between two looks for expired appraisals
SETTLED: Final = 10.0  # seconds after which every worker of ml-predict has followed a change of the default
Outcome = Appraisal | ServiceError
log = get_logger()
_AWAY: Final = (AppraisalUnavailable, AppraisalTimeout, AppraisalFailed)


class AppraisalService:
    """`hours` is for how long an appraisal is remembered, whatever is heard of the model."""

    def __init__(self, store: Store, appraiser: Appraiser, hours: int) -> None:
        self._store = store
        self._appraiser = appraiser
        self._lifetime = timedelta(hours=hours)
        self._settled = timedelta(seconds=SETTLED + appraiser.timeout)

    async def appraise(self, item_id: int, token: str) -> Appraisal:
        """Raises ItemNotFound, NotAppraisable, AppraisalRefused, and what `Appraiser` raises if nothing is
        remembered.
        """
        outcome = (await self._outcomes([item_id], token))[item_id]
        if isinstance(outcome, ServiceError):
            raise outcome
        return outcome

    async def appraise_page(self, item_ids: Sequence[int], token: str) -> Mapping[int, Outcome]:
        """What came of each id, in their order. One that fails does not take the others with it.

        Raises what `Appraiser` raises if there is no appraisal at all because of it.
        """
        outcomes = await self._outcomes(item_ids, token)
        found = list(outcomes.values())
        away = [one for one in found if isinstance(one, _AWAY)]
        if away and not any(isinstance(one, Appraisal) for one in found):
            raise away[0]
        return outcomes

    async def _outcomes(self, item_ids: Sequence[int], token: str) -> dict[int, Outcome]:
        """ml-predict is asked once, for all that is not remembered of the default version.

        No connection is held meanwhile: that may take long, and the pool is small.
        """
        known = await self._store.autocommit.appraisals.known(item_ids, self._lifetime)
        asked = {one.item_id: one.features for one in known.values() if one.features and not one.is_current}
        fresh: Mapping[int, Outcome] = {}
        failure: ServiceError = AppraisalUnavailable()
        if asked:
            try:
                fresh = await self._ask(asked, token, next(iter(known.values())).default)
            except _AWAY as error:
                failure = error
        return {item_id: _outcome(item_id, known.get(item_id), fresh, failure) for item_id in item_ids}

    async def _ask(
        self, diamonds: Mapping[int, Features], token: str, default: Model | None
    ) -> dict[int, Outcome]:
        answer = await self._appraiser.appraise(diamonds, token)
        if answer.refused:
            log.warning("appraisals_refused", item_ids=sorted(answer.refused))  # its bounds differ from ours
        outcomes: dict[int, Outcome] = {item_id: AppraisalRefused(item_id) for item_id in answer.refused}
        if answer.model is None:
            return outcomes
        await self._store.autocommit.appraisals.save(diamonds, answer.appraisals)
        if not answer.by_canary and answer.model != default:
            await self._store.autocommit.models.notice(answer.model, self._settled)
        return outcomes | {appraisal.item_id: appraisal for appraisal in answer.appraisals}

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Deletes expired appraisals for as long as the block runs."""
        async with repeated(self.forget, "forget_appraisals", pause=LOOK):
            yield

    async def forget(self) -> None:
        while await self._store.autocommit.appraisals.forget(self._lifetime):
            pass


def _outcome(
    item_id: int, known: Appraisable | None, fresh: Mapping[int, Outcome], failure: ServiceError
) -> Outcome:
    if known is None:
        return ItemNotFound(item_id)
    if known.features is None:
        return NotAppraisable(item_id)
    return fresh.get(item_id) or known.appraisal or failure
