"""Which version of the model is the default, and what `items` must know of it in the end."""

import random
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from items.consumer import MODELS
from shared.events.event import decode
from shared.events.newest import read
from tests.crashes.actors import MODEL, Actors, price
from tests.crashes.world import World

VERSIONS = 1000  # of a schedule, at most
CARAT = 0.5  # of a listing that nobody has changed
Told = list[tuple[int, str, str]]


class Models:
    """Decisions, which stand in the state file at once, and what is told and remembered of them later."""

    def __init__(self, seed: int, world: World) -> None:
        self._first = seed * VERSIONS
        self._world = world
        self._decided = 0
        self._late = False
        self._sequence = 0
        self._carats = {CARAT}
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

    def answering(self, *, late: bool) -> str:
        """The version by which a worker answers now."""
        return str(self._first + self._decided - 1) if late and self._late else self.current

    def new_weight(self, chance: random.Random) -> float:
        """Other features, which a listing will have, or not."""
        carat = round(chance.uniform(0.2, 5), 2)
        self._carats.add(carat)
        return carat

    def check(self, told: Told) -> None:
        """Each is of features that a listing can have, by a version that has been the default."""
        for item_id, version, estimate in told:
            right = {price(version, carat) for carat in self._carats}
            assert Decimal(estimate) in right, (
                f"{item_id} is {estimate} by {version}, and should be of {right}"
            )

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
        row = await self._known(actors)
        if row is not None:
            assert row.sequence >= self._sequence, "an old event was applied after a newer one"
            self._sequence = row.sequence

    async def finish(self, actors: Actors, item_ids: list[int]) -> None:
        """What was announced is known, then what was decided, and all that is remembered is by that."""
        announced = (await actors.announced()).get(MODEL.encode())
        await actors.consume()
        row = await self._known(actors)
        if announced is not None:
            assert row is not None, "an announced change was lost"
            assert row.sequence >= read(announced).sequence, "an announced change was lost"
        await actors.announce()
        await actors.consume()
        row = await self._known(actors)
        assert (row.name, row.version) == (MODEL, self.current), f"{row} is known, and {self.current} decided"
        if item_ids:
            await self._check_remembered(actors, item_ids)
        await self._check_stream(actors)

    async def _check_remembered(self, actors: Actors, item_ids: list[int]) -> None:
        """Nothing that the model is not asked for anew is wrong."""
        told = await actors.appraise(item_ids, self.current)
        async with actors.items_database.transaction() as connection:
            query = text("SELECT id, (features->>'carat')::float AS carat FROM items WHERE id = ANY(:ids)")
            rows = {row.id: row.carat for row in (await connection.execute(query, {"ids": item_ids})).all()}
        for item_id, version, estimate in told:
            right = price(self.current, rows[item_id])
            assert (version, Decimal(estimate)) == (self.current, right), f"{item_id} stays at {estimate}"

    async def _check_stream(self, actors: Actors) -> None:
        """Each change was told once, and the last one is the newest that is kept."""
        entries: Any = await actors.stream.xrange(MODELS)
        events = [decode(fields) for _, fields in entries]
        mine = [one for one in events if int(one.data["default"]) > self._first]
        kept = (await actors.announced())[MODEL.encode()]
        assert self._lost or mine[-1] == read(kept)
        told = [one.data["default"] for one in mine]
        assert self._lost or len(set(told)) == len(told), f"a change was told twice: {told}"

    async def _known(self, actors: Actors) -> Any:
        query = text("SELECT name, version, sequence FROM default_model")
        rows = list(await actors.items_database.autocommit.execute(query))
        return rows[0] if rows else None
