"""A bounded queue before the threads that compute; requests for one model are gathered into one call."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic
from typing import Final

from ml_predict.answers import Array
from ml_predict.arrivals import Arrivals
from ml_predict.batches import Computed, Job, compute, split
from ml_predict.exceptions import QueueFull, queue_full
from ml_predict.leaving import Gone, unless
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model
from ml_predict.pace import Pace
from ml_predict.waiting import Waiting

LONGEST_RETRY: Final = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """`queue` and `deadline` are seconds: of estimated work in the queue, and of waiting for one request."""

    queue: float = 0.25
    deadline: float = 2.0
    batch_rows: int = 64
    threads: int = 1


class Scheduler:
    """All but the computing happens on the event loop.

    While a call is computed, requests gather for the next one, so that batches grow with the load. A free
    thread waits for more only while that is expected to cost those who wait less than a call of their own.
    A full call is handed over while another one is computed: above capacity the loop is busy, and a thread
    that waited for it would stand still. Who is served first, `Waiting` says.
    """

    def __init__(self, pool: Executor, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._queue = Waiting(limits.queue)
        self._running = 0  # calls, with the one that a thread may find when it is done
        self._finished = 0.0
        self._arrivals = Arrivals()
        self._pace = Pace()
        self._timer: asyncio.TimerHandle | None = None

    async def run(
        self,
        model: Model,
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        rows: int,
        *,
        gone: Gone | None = None,
        within: float | None = None,
    ) -> list[Array]:
        """The outputs for `feeds`, not computed for a caller who has gone or a deadline that has passed.

        Raises QueueFull, DeadlinePassed, or what the model raises.
        """
        job = self._accept(model, feeds, outputs, rows, within)
        try:
            if gone is None:
                return await job.result
            return await unless(gone, job.result)
        finally:
            job.result.cancel()  # without effect when it is done
            if job in self._queue:
                self._queue.remove(job)
                MODEL_METRICS.dropped(model, "caller_gone")

    def admit(self, model: Model, rows: int = 1) -> float:
        """The estimated seconds of work of a request, by what calls took lately. Raises QueueFull."""
        cost = self._share(model, rows) * self._pace.of(model)
        if self._queue.full(cost):
            MODEL_METRICS.refused(model)
            raise QueueFull(self._retry_after())
        return cost

    def refusal(self, model: Model) -> QueueFull | None:
        """The error for a request that need not even be read."""
        if not self._queue.shut:
            return None
        MODEL_METRICS.refused(model)
        return queue_full(self._retry_after())

    def _retry_after(self) -> int:
        return min(math.ceil(self._queue.work), LONGEST_RETRY)

    def _accept(
        self,
        model: Model,
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        rows: int,
        within: float | None,
    ) -> Job:
        cost = self.admit(model, rows)
        now = monotonic()
        allowed = self._limits.deadline if within is None else min(within, self._limits.deadline)
        result = asyncio.get_running_loop().create_future()
        job = Job(model, feeds, outputs, rows, cost, now, now + allowed, result)
        self._arrivals.note(model, now)
        MODEL_METRICS.queued(model, len(self._queue))
        self._queue.add(job)
        self._begin()
        return job

    def _share(self, model: Model, rows: int) -> float:
        """Seconds of work that a request adds to the queue: its share of a full call, if calls are shared."""
        full = self._limits.batch_rows
        return model.costs.of(full) / full * rows if model.batches and rows < full else model.costs.of(rows)

    def _begin(self) -> None:
        """Start calls while there are both work and threads; or wait a moment, if that is worth it."""
        self._stop_timer()
        while self._queue and self._running < self._most():
            wait = self._worth_waiting()
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._begin_now)
                return
            self._start(self._queue.take(monotonic(), self._limits.batch_rows))

    def _most(self) -> int:
        """How many calls may be started: one more than threads if nobody could join the next one."""
        threads = self._limits.threads
        if self._running != threads:
            return threads
        joins = self._queue.rows < self._limits.batch_rows and self._queue.first(monotonic()).model.batches
        return threads if joins else threads + 1

    def _begin_now(self) -> None:
        self._timer = None
        if self._queue and self._running < self._limits.threads:
            self._start(self._queue.take(monotonic(), self._limits.batch_rows))
        self._begin()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _worth_waiting(self) -> float:
        """Seconds until the next request for the first one's model is expected, if waiting for it pays.

        All who wait are delayed; the one who comes saves the others nothing, but a call of its own. Never
        longer than the first can afford.
        """
        now = monotonic()
        first = self._queue.first(now)
        if not first.model.batches or self._queue.stands(now):
            return 0.0
        mine = [job for job in self._queue.in_turn(now) if job.model is first.model]
        rows = sum(job.rows for job in mine)
        gap = self._arrivals.gap(first.model)
        latest = min(first.arrived + first.model.costs.per_call, first.deadline - first.model.costs.of(rows))
        if rows >= self._limits.batch_rows or (len(mine) + 1) * gap > first.model.costs.per_call:
            return 0.0
        return max(min(2 * gap, latest - now), 0.0)

    def _start(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        self._running += 1
        now = monotonic()
        for job in jobs:
            MODEL_METRICS.waited(job.model, now - job.arrived)
        call = asyncio.get_running_loop().run_in_executor(self._pool, compute, jobs)
        call.add_done_callback(lambda done: self._finish(jobs, now, done))

    def _finish(self, jobs: list[Job], started: float, done: asyncio.Future[Computed]) -> None:
        self._running -= 1
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception(error or asyncio.CancelledError())
        else:
            self._answer(jobs, started, done.result())
        self._finished = monotonic()
        self._begin()

    def _answer(self, jobs: list[Job], started: float, computed: Computed) -> None:
        if computed.jobs:
            rows = sum(job.rows for job in computed.jobs)
            self._pace.note(jobs[0].model, rows, monotonic() - max(started, self._finished))
            MODEL_METRICS.computed(jobs[0].model, rows, computed.seconds)
            for job, arrays in zip(computed.jobs, split(computed.jobs, computed.arrays), strict=True):
                if not job.result.done():
                    job.result.set_result(arrays)
        if left := len(jobs) - len(computed.jobs):
            MODEL_METRICS.dropped(jobs[0].model, "caller_gone", left)
