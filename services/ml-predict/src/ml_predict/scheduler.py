"""A bounded queue before the threads that compute; requests for one model are gathered into one call."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from ml_predict.answers import Array
from ml_predict.arrivals import Arrivals
from ml_predict.batches import Job, compute, split
from ml_predict.exceptions import DeadlinePassed, QueueFull
from ml_predict.metrics import MODEL_METRICS
from ml_predict.model import Model
from ml_predict.pace import Pace
from ml_predict.waiting import Waiting

Gone = Callable[[], Awaitable[None]]
"""Returns when nobody waits for the answer any longer."""
LONGEST_RETRY: Final = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """`queue` and `deadline` are seconds: of estimated work in the queue, and of waiting for one request."""

    queue: float = 0.25
    deadline: float = 2.0
    batch_rows: int = 64
    threads: int = 1


class Scheduler:
    """A bounded queue before a pool of threads; all but the computing happens on the event loop.

    While a call is computed, requests gather for the next one, so that batches grow with the load. A free
    thread waits for more only while that is expected to cost those who wait less than a call of their own.
    Who is served first, `Waiting` says.
    """

    def __init__(self, pool: Executor, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._queue = Waiting(limits.queue)
        self._running = 0
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
        """The outputs for `feeds`. Raises QueueFull, DeadlinePassed, or what the model raises.

        A request whose caller has gone, or whose deadline has passed, before its turn is never computed.
        """
        job = self._accept(model, feeds, outputs, rows, within)
        try:
            if gone is None:
                return await job.result
            return await _unless(gone, job.result)
        finally:
            job.result.cancel()  # without effect when it is done
            if job in self._queue:
                self._queue.remove(job)
                MODEL_METRICS.dropped(model, "caller_gone")

    def admit(self, model: Model, rows: int = 1) -> float:
        """The estimated seconds of work of a request, by what calls took lately. Raises QueueFull."""
        cost = self._share(model, rows) * self._pace.of(model)
        if self._queue.full(cost):
            raise self._full(model)
        return cost

    def refusal(self, model: Model) -> QueueFull | None:
        """The error for a request that need not even be read."""
        return self._full(model) if self._queue.shut else None

    def _full(self, model: Model) -> QueueFull:
        MODEL_METRICS.refused(model)
        return QueueFull(retry_after=min(math.ceil(self._queue.work), LONGEST_RETRY))

    def _accept(
        self,
        model: Model,
        feeds: Mapping[str, Array],
        outputs: Sequence[str],
        rows: int,
        within: float | None,
    ) -> Job:
        cost = self.admit(model, rows)
        loop = asyncio.get_running_loop()
        now = monotonic()
        allowed = self._limits.deadline if within is None else min(within, self._limits.deadline)
        job = Job(model, feeds, outputs, rows, cost, now, now + allowed, loop.create_future())
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
        while self._queue and self._running < self._limits.threads:
            wait = self._worth_waiting()
            if wait > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._begin_now)
                return
            self._start(self._take())

    def _begin_now(self) -> None:
        """The wait is over, whatever has come."""
        self._timer = None
        if self._queue and self._running < self._limits.threads:
            self._start(self._take())
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
        queue = self._queue.in_turn(now)
        first = queue[0]
        if not first.model.batches or self._queue.stands(now):
            return 0.0
        mine = [job for job in queue if job.model is first.model]
        rows = sum(job.rows for job in mine)
        gap = self._arrivals.gap(first.model)
        latest = min(first.arrived + first.model.costs.per_call, first.deadline - first.model.costs.of(rows))
        if rows >= self._limits.batch_rows or (len(mine) + 1) * gap > first.model.costs.per_call:
            return 0.0
        return max(min(2 * gap, latest - now), 0.0)

    def _alive(self, job: Job) -> bool:
        if job.result.done():
            MODEL_METRICS.dropped(job.model, "caller_gone")
            return False
        if job.deadline < monotonic() + job.model.costs.of(job.rows):
            MODEL_METRICS.dropped(job.model, "deadline")
            job.result.set_exception(DeadlinePassed(retry_after=1))
            return False
        return True

    def _take(self) -> list[Job]:
        """Whose turn it is, and those of the same model that fit into the call; empty if all are late."""
        taken: list[Job] = []
        rows = 0
        for job in self._queue.in_turn(monotonic()):
            if taken and (job.model is not taken[0].model or rows + job.rows > self._limits.batch_rows):
                continue
            self._queue.remove(job)
            if self._alive(job):
                taken.append(job)
                rows += job.rows
                if not job.model.batches:
                    break
        return taken

    def _start(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        self._running += 1
        now = monotonic()
        for job in jobs:
            MODEL_METRICS.waited(job.model, now - job.arrived)
        future = asyncio.get_running_loop().run_in_executor(self._pool, compute, jobs)
        future.add_done_callback(lambda done: self._finish(jobs, now, done))

    def _finish(
        self, jobs: list[Job], started: float, done: asyncio.Future[tuple[list[Array], float]]
    ) -> None:
        self._running -= 1
        rows = sum(job.rows for job in jobs)
        self._pace.note(jobs[0].model, rows, monotonic() - started)
        error = None if done.cancelled() else done.exception()
        if done.cancelled() or error is not None:
            for job in jobs:
                if not job.result.done():
                    job.result.set_exception(error or asyncio.CancelledError())
        else:
            computed, seconds = done.result()
            MODEL_METRICS.computed(jobs[0].model, rows, seconds)
            for job, arrays in zip(jobs, split(jobs, computed), strict=True):
                if not job.result.done():
                    job.result.set_result(arrays)
        self._begin()


async def _unless(gone: Gone, result: asyncio.Future[list[Array]]) -> list[Array]:
    """The result; cancelled when the caller goes first."""
    watch: asyncio.Future[Any] = asyncio.ensure_future(gone())
    try:
        either: set[asyncio.Future[Any]] = {result, watch}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            result.cancel()
        return await result
    finally:
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch
