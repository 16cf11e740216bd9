"""Processes that take steps until they die."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.crashes.actors import Actors
from tests.crashes.dying import Death, in_a_child
from tests.crashes.world import World

CONNECTED = 4  # messages that connecting to Postgres takes: little can go wrong in them
LONGEST = 30  # messages of a kind of step that no process has survived yet
Work = Callable[[Actors], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """`note` is told the answer, in the process that got it and in the one that started that."""

    name: str
    work: Work
    note: Callable[[Any], None] = lambda _: None


class Lives:
    """Forks processes that may die, and remembers how many messages each kind of work takes."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self.world = world
        self._loop = loop
        self._longest: dict[str, int] = {}
        self._unborn = self.here(_made(world))  # a child's copy of it connects; this one never does
        self.deaths = self.processes = 0

    def live(self, chance: random.Random, steps: Sequence[Step]) -> Sequence[Step]:
        """One process takes one step after another until it dies. Returns those that it did not come to."""
        longest = sum(self._longest.get(step.name, LONGEST) for step in steps)
        death = Death(chance.randint(CONNECTED, CONNECTED + longest), sent=chance.random() < 0.5)
        ending = in_a_child([partial(self._take, step) for step in steps], death)
        for step, answer, messages in zip(steps, ending.answers, ending.messages, strict=False):
            step.note(answer)
            self._longest[step.name] = max(messages, self._longest.get(step.name, 0))
        self.deaths += ending.died
        self.processes += 1
        return steps[len(ending.answers) + 1 :]

    async def _take(self, step: Step) -> Any:
        answer = await step.work(self._unborn)
        step.note(answer)
        return answer

    def here(self, work: Awaitable[Any]) -> Any:
        """In this process, which does not die."""
        return self._loop.run_until_complete(work)


async def _made(world: World) -> Actors:
    return Actors(world)
