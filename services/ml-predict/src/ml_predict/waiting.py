"""The queue itself: bounded in estimated work, and served newest first once it moves too slowly."""

from collections import OrderedDict
from typing import Final

from ml_predict.batches import Job
from ml_predict.exceptions import DeadlinePassed
from ml_predict.metrics import MODEL_METRICS

REOPENS: Final = 0.9  # of the limit
REOPENS_LATEST: Final = 0.5  # also after a request that is larger than the queue
STANDS: Final = 1.5
"""Of the limit. A full queue that is served in turn takes the limit, give or take the error of estimates."""


class Waiting:
    """Requests that wait, oldest first. `limit` is seconds of estimated work.

    When the oldest has waited for much longer than the limit, less is computed than was estimated. Served in
    turn, every caller would then be answered late and many would have left; so the newest is served first,
    and those who cannot be served at all are those who waited longest (adaptive LIFO).
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._jobs: OrderedDict[Job, None] = OrderedDict()
        self.work = 0.0  # estimated seconds
        self.rows = 0
        self._reopens: float | None = None  # the work at which it does, after a refusal

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job: Job) -> bool:
        return job in self._jobs

    @property
    def oldest(self) -> Job:
        return next(iter(self._jobs))

    def full(self, cost: float) -> bool:
        """True if `cost` more seconds are too many. One request may always wait, whatever it costs."""
        full = bool(self._jobs) and self.work + cost > self._limit
        if full:
            self._reopens = min(REOPENS, max(1 - cost / self._limit, REOPENS_LATEST)) * self._limit
        return full

    @property
    def shut(self) -> bool:
        """True from a refusal until there is room for as much as was refused, and for a part of the queue.

        A queue at its limit has room for one row, and none for most requests: all of them would be read
        before they are refused.
        """
        if self._reopens is not None and self.work <= self._reopens:
            self._reopens = None
        return self._reopens is not None

    def add(self, job: Job) -> None:
        self._jobs[job] = None
        self.work += job.cost
        self.rows += job.rows

    def remove(self, job: Job) -> None:
        del self._jobs[job]
        self.rows -= job.rows
        self.work = max(self.work - job.cost, 0.0) if self._jobs else 0.0

    def stands(self, now: float) -> bool:
        """True if the oldest has waited for much longer than the whole queue should take."""
        return bool(self._jobs) and now - self.oldest.arrived > STANDS * self._limit

    def first(self, now: float) -> Job:
        """Whose turn it is."""
        return next(reversed(self._jobs)) if self.stands(now) else self.oldest

    def in_turn(self, now: float) -> list[Job]:
        """All, in the order in which they are to be served."""
        return list(reversed(self._jobs)) if self.stands(now) else list(self._jobs)

    def take(self, now: float, most_rows: int) -> list[Job]:
        """Whose turn it is, and those of the same model that fit into the call; empty if all are late."""
        taken: list[Job] = []
        rows = 0
        for job in self.in_turn(now):
            if taken and (job.model is not taken[0].model or rows + job.rows > most_rows):
                continue
            self.remove(job)
            if _alive(job, now):
                taken.append(job)
                rows += job.rows
                if not job.model.batches:
                    break
        return taken


def _alive(job: Job, now: float) -> bool:
    if job.result.done():
        MODEL_METRICS.dropped(job.model, "caller_gone")
        return False
    if job.deadline < now + job.model.costs.of(job.rows):
        MODEL_METRICS.dropped(job.model, "deadline")
        job.result.set_exception(DeadlinePassed(retry_after=1))
        return False
    return True
