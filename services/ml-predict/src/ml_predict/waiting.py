"""The queue itself: bounded in estimated work, and served newest first once it moves too slowly."""

from collections import OrderedDict
from typing import Final

from ml_predict.batches import Job

REOPENS: Final = 0.9  # of the limit


class Waiting:
    """Requests that wait, oldest first. `limit` is seconds of estimated work.

    When the oldest has waited for longer than the limit, more arrives than can be computed. Served in turn,
    every caller would then be answered late and many would have left; so the newest is served first, and
    those who cannot be served at all are those who waited longest (adaptive LIFO).
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._jobs: OrderedDict[Job, None] = OrderedDict()
        self.work = 0.0  # estimated seconds
        self._refused = False

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
        self._refused = self._refused or full
        return full

    @property
    def shut(self) -> bool:
        """True from a refusal until a part of the queue is free again.

        A queue at its limit has room for one row, and none for most requests: all of them would be read
        before they are refused.
        """
        self._refused = self._refused and self.work > REOPENS * self._limit
        return self._refused

    def add(self, job: Job) -> None:
        self._jobs[job] = None
        self.work += job.cost

    def remove(self, job: Job) -> None:
        del self._jobs[job]
        self.work = max(self.work - job.cost, 0.0) if self._jobs else 0.0

    def stands(self, now: float) -> bool:
        """True if the oldest has waited for longer than the whole queue should take."""
        return bool(self._jobs) and now - self.oldest.arrived > self._limit

    def in_turn(self, now: float) -> list[Job]:
        """All, in the order in which they are to be served."""
        return list(reversed(self._jobs)) if self.stands(now) else list(self._jobs)
