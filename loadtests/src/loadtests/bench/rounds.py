"""Interleaved repeats: every peer once a round, so that a machine's moods fall on all of them alike."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from loadtests.bench.wrk import Sample


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` and `warm_up` are those of one measurement."""

    rounds: int
    seconds: float
    warm_up: float


Measure = Callable[[str], Sample]


def interleaved(names: Sequence[str], rounds: int, measure: Measure) -> Mapping[str, list[Sample]]:
    """`measure` each name once a round; the one that begins changes, so that none is always first."""
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for name in order(names, rounds):
        samples[name].append(measure(name))
    return samples


def order(names: Sequence[str], rounds: int) -> Iterator[str]:
    """One round after the other."""
    return itertools.chain.from_iterable(turns(names, rounds))


def turns(names: Sequence[str], rounds: int) -> Iterator[Sequence[str]]:
    """The order of each round."""
    for turn in range(rounds):
        first = turn % len(names)
        yield (*names[first:], *names[:first])
