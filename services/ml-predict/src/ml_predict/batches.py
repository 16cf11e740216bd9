"""Requests that wait, and how several become one call and one call several answers."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import NamedTuple

import numpy as np

from ml_predict.answers import Array
from ml_predict.model import Model


@dataclass(eq=False, slots=True)
class Job:
    """One request in the queue. `arrived` and `deadline` are monotonic seconds, `cost` is its work."""

    model: Model
    feeds: Mapping[str, Array]
    outputs: Sequence[str]
    rows: int
    cost: float
    arrived: float
    deadline: float
    result: asyncio.Future[list[Array]]


class Computed(NamedTuple):
    """What a call gave to `jobs`, and the seconds that it took."""

    jobs: Sequence[Job]
    arrays: Sequence[Array]
    seconds: float


def compute(jobs: Sequence[Job]) -> Computed:
    """All that `jobs` want, in one call of their model; runs in a thread.

    Whoever has left since the call was handed over is left out. Nothing is computed if all have.
    """
    started = perf_counter()
    staying = [job for job in jobs if not job.result.done()]
    if not staying:
        return Computed((), (), 0.0)
    arrays = staying[0].model.run(_together(staying), wanted(staying))
    return Computed(staying, arrays, perf_counter() - started)


def wanted(jobs: Sequence[Job]) -> list[str]:
    """Each output that somebody asked for, once."""
    return list(dict.fromkeys(name for job in jobs for name in job.outputs))


def _together(jobs: Sequence[Job]) -> Mapping[str, Array]:
    if len(jobs) == 1:
        return jobs[0].feeds
    return {name: np.concatenate([job.feeds[name] for job in jobs]) for name in jobs[0].feeds}


def split(jobs: Sequence[Job], computed: Sequence[Array]) -> Iterator[list[Array]]:
    """Each request's own rows of the outputs that it asked for."""
    arrays = dict(zip(wanted(jobs), computed, strict=True))
    if len(jobs) == 1:  # also of models whose outputs have no row for each row
        yield [arrays[name] for name in jobs[0].outputs]
        return
    start = 0
    for job in jobs:
        yield [arrays[name][start : start + job.rows] for name in job.outputs]
        start += job.rows
