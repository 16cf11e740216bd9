"""Requests that wait, and how several become one call and one call several answers."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

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


def compute(jobs: Sequence[Job]) -> tuple[list[Array], float]:
    """All that `jobs` want, in one call of their model, and the seconds that it took; runs in a thread."""
    started = perf_counter()
    model = jobs[0].model
    computed = model.run(_together(jobs), wanted(jobs))
    return computed, perf_counter() - started


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
