"""Which version of the model is the default, and what `items` must know and remember of it."""

import random
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from items.consumer import MODELS
from shared.events.event import Event, decode
from shared.events.newest import read
from tests.crashes.actors import Actors
from tests.crashes.appraising import MODEL, Page, appraise, carats, known, price
from tests.crashes.lives import Work
from tests.crashes.world import World

VERSIONS = 1000  # of a schedule, at most
NOBODY = "0"  # a version that never answers


class Models:
    """Decisions, which stand in the state file at once, and what is told and remembered of them later.

    What must hold is checked after each step too, in the process that took it: nobody else is there then.
    """

    def __init__(self, seed: int, world: World) -> None:
        self._first = seed * VERSIONS
        self._world = world
        self._decided = 0
        self._late = False
        self._sequence = 0
        self._lost = False
        self.decide()

    def decide(self) -> None:
        """Another version is the default. A worker may follow late, and answer by the one before."""
        self._late = self._decided > 0
        self._decided += 1
        self._world.version = str(self._first + self._decided)

    @property
    def current(self) -> str:
        return str(self._first + self._decided)

    def _answering(self, *, late: bool) -> str:
        """The version by which a worker answers now."""
        return str(self._first + self._decided - 1) if late and self._late else self.current

    async def appraise(self, actors: Actors, item_ids: Sequence[int], *, late: bool) -> None:
        """What was remembered of the default version, else what the worker says; both of present features."""
        version = self._answering(late=late)
        before = await known(actors.items_database)
        page = await appraise(actors.items, item_ids, version)
        after = await known(actors.items_database)
        assert after is not None or not page.asked, "an answer was not noticed"
        await _check_page(actors, page, {version, before.version} if before else {version})
        if before is None or after is None or before.is_settled is None:
            return
        believed = page.asked and before.is_settled
        right = (version if believed else before.version), before.sequence
        assert (after.version, after.sequence) == right, f"{before} became {after} by {version}"

    async def announce(self, actors: Actors) -> None:
        """The newest event that is kept tells what was decided."""
        await actors.announce()
        kept = await _kept(actors)
        assert kept is not None, "a decision was not announced"
        assert kept.data["default"] == self.current, f"{kept} is kept, and {self.current} was decided"

    async def consume(self, actors: Actors) -> None:
        """What was announced is known; what was known already changes nothing."""
        before, kept = await known(actors.items_database), await _kept(actors)
        await actors.consume()
        after = await known(actors.items_database)
        if kept is not None:
            assert after is not None, "an announced change was lost"
            assert after.sequence >= kept.sequence, f"an announced change was lost: {kept} after {after}"
        if before is not None:
            assert after is not None
            assert after.sequence >= before.sequence, "an old event was applied after a newer one"
            assert after.sequence > before.sequence or after.version == before.version, "an event came twice"

    async def settle(self, actors: Actors) -> None:
        """Time passes, and every worker has followed."""
        self._late = False
        async with actors.items_database.transaction() as connection:
            await connection.execute(
                text("UPDATE default_model SET learned_at = learned_at - interval '1 hour'")
            )

    async def lose(self, actors: Actors, chance: random.Random, before: Any) -> None:
        """The stream, or all that was announced since a copy was made."""
        self._lost = True
        if chance.random() < 0.5:
            await actors.lose_stream()
        else:
            await actors.lose_announcements(before)

    def lost_all(self) -> None:
        self._lost = True

    async def look(self, actors: Actors) -> None:
        """What is known never goes back."""
        row = await known(actors.items_database)
        if row is not None:
            assert row.sequence >= self._sequence, "an old event was applied after a newer one"
            self._sequence = row.sequence

    async def finish(
        self, actors: Actors, item_ids: Sequence[int], weigh: Work, chance: random.Random
    ) -> None:
        """What was announced is known, then what was decided; then two more decisions go their whole way.

        Redis may lose what this worker has announced. After the first of the two another worker follows late.
        The second is seen in an answer before it is announced.
        """
        before = await actors.announced()
        await self._follow(actors, item_ids)
        if chance.random() < 0.2:
            self._lost = True
            await actors.lose_announcements(before)
            await self.announce(actors)
        self.decide()
        await self._follow(actors, item_ids)
        await weigh(actors)
        await self.appraise(actors, item_ids, late=True)
        await self._check_remembered(actors, item_ids)
        self.decide()
        await self.settle(actors)
        await weigh(actors)
        await self.appraise(actors, item_ids, late=False)
        await self._follow(actors, item_ids)
        await self._check_stream(actors)

    async def _follow(self, actors: Actors, item_ids: Sequence[int]) -> None:
        """All that is told of the default is by the version decided for, and remembered."""
        await self.consume(actors)
        await self.announce(actors)
        await self.consume(actors)
        row = await known(actors.items_database)
        assert row is not None
        assert row.version == self.current, f"{row} is known, and {self.current} decided"
        await self._check_remembered(actors, item_ids)

    async def _check_remembered(self, actors: Actors, item_ids: Sequence[int]) -> None:
        await self.appraise(actors, item_ids, late=False)
        again = await appraise(actors.items, item_ids, NOBODY)
        assert again.told, "nothing is remembered"
        assert not again.asked, "the model is asked for what it has said"
        await _check_page(actors, again, {self.current})

    async def _check_stream(self, actors: Actors) -> None:
        """Each change was told once, and the last one is the newest that is kept."""
        entries: Any = await actors.stream.xrange(MODELS)
        events = [decode(fields) for _, fields in entries]
        mine = [one for one in events if int(one.data["default"]) > self._first]
        assert mine[-1] == await _kept(actors)
        told = [one.data["default"] for one in mine]
        assert self._lost or len(set(told)) == len(told), f"a change was told twice: {told}"


async def _check_page(actors: Actors, page: Page, versions: set[str]) -> None:
    """It is by one of the versions, and of the features that the listings have now."""
    weights = await carats(actors.items_database, [one.item_id for one in page.told])
    for one in page.told:
        assert one.version in versions, f"{one} should be by {versions}"
        right = price(one.version, weights[one.item_id])
        assert one.estimate == right, f"{one} should be {right}"


async def _kept(actors: Actors) -> Event | None:
    """The newest event of the model that Redis keeps."""
    found = (await actors.announced()).get(MODEL.encode())
    return None if found is None else read(found)
