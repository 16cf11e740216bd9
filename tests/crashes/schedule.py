"""One seeded schedule: processes come and die, then all is finished, and what must hold is checked."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import text

from tests.crashes.dying import Death, Ending, in_a_child
from tests.crashes.world import Actors, World, imported
from users.credentials import RefreshToken, digest

CONNECTED = 4  # messages that connecting to Postgres takes: little can go wrong in them
ROUNDS = 200
Work = Callable[[Actors], Awaitable[Any]]


class Lives:
    """Forks processes that may die, and remembers how many messages each kind of work takes."""

    def __init__(self, world: World, loop: asyncio.AbstractEventLoop) -> None:
        self._world = world
        self._loop = loop
        self._longest: dict[str, int] = {}
        self.deaths = self.processes = 0

    def live(self, chance: random.Random, name: str, work: Work) -> Ending:
        """It may live on: then it tells its answer."""
        longest = self._longest.get(name, 30)
        death = Death(chance.randint(CONNECTED, longest + 2), sent=chance.random() < 0.5)
        ending = in_a_child(lambda: work(Actors(self._world)), death)
        if not ending.died:
            self._longest[name] = max(ending.messages, self._longest.get(name, 0))
        self.deaths += ending.died
        self.processes += 1
        return ending

    def here(self, work: Awaitable[Any]) -> Any:
        """In this process, which does not die."""
        return self._loop.run_until_complete(work)


class Schedule:
    """An account with listings, and another one with a session that is refreshed again and again."""

    def __init__(self, seed: int, actors: Actors, lives: Lives) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a schedule, not a secret
        self._actors = actors
        self._lives = lives
        self._listings: dict[str, int | None] = {}  # by key; none until an answer came
        self._imports: dict[str, bool] = {}  # by name; whether it was answered
        self._owner, _ = lives.here(actors.sign_up())
        self._visitor, token = lives.here(actors.sign_up())
        self._tokens = [token]

    def run(self) -> None:
        """Raises AssertionError if something that must hold does not."""
        steps = [self._list, self._list, self._list_again, self._refresh, self._refresh, self._change]
        steps += [self._import, self._import]
        steps += [self._send, self._consume, self._send, self._consume]
        for _ in range(self._chance.randint(4, 8)):
            self._chance.choice(steps)()
        if self._chance.random() < 0.1:
            self._lives.here(self._actors.lose_redis())
        self._finish_listings()
        if self._chance.random() < 0.4:
            self._live("delete", lambda actors: actors.delete(self._owner))
            self._live("list", self._listing_of(self._key()))
            self._lives.here(self._actors.delete(self._owner))
        self._finish_events()
        self._lives.here(self._check_owner())
        self._lives.here(self._check_session())

    def _live(self, name: str, work: Work) -> Ending:
        return self._lives.live(self._chance, name, work)

    def _key(self) -> str:
        key = f"{self._owner}-{len(self._listings)}"
        self._listings[key] = None
        return key

    def _listing_of(self, key: str) -> Work:
        return lambda actors: actors.list_once(self._owner, key)

    def _list(self) -> None:
        self._note(key := self._key(), self._live("list", self._listing_of(key)).answer)

    def _list_again(self) -> None:
        if self._listings:
            key = self._chance.choice(list(self._listings))
            self._note(key, self._live("list", self._listing_of(key)).answer)

    def _import(self) -> None:
        """A new file, or the newest one again."""
        if not self._imports or self._chance.random() < 0.3:
            self._imports[f"import-{self._owner}-{len(self._imports)}"] = False
        name = list(self._imports)[-1]
        ending = self._live("import", self._import_of(name))
        self._imports[name] |= bool(ending.answer)

    def _import_of(self, name: str) -> Work:
        return lambda actors: actors.import_all(self._owner, name)

    def _note(self, key: str, answer: int | None) -> None:
        known = self._listings[key]
        assert None in {known, answer} or known == answer, f"{key} was {known} and is {answer}"
        self._listings[key] = known if answer is None else answer

    def _refresh(self) -> None:
        token = self._tokens[-1]
        ending = self._live("refresh", lambda actors: actors.refresh(token))
        if not ending.died:
            assert ending.answer, "a token that was acknowledged is refused"
            self._tokens.append(ending.answer)

    def _change(self) -> None:
        active = self._chance.random() < 0.5
        self._live("change", lambda actors: actors.set_active(self._owner, active=active))

    def _send(self) -> None:
        self._live("send", lambda actors: actors.send())

    def _consume(self) -> None:
        self._live("consume", lambda actors: actors.consume())

    def _finish_listings(self) -> None:
        """The client asks again until it has an answer; those that it has must come again."""
        for key in self._listings:
            self._note(key, answer := self._lives.here(self._listing_of(key)(self._actors)))
            assert answer == self._listings[key], f"the answer to {key} was lost"

        for name, answered in self._imports.items():
            again = self._lives.here(self._import_of(name)(self._actors))
            self._imports[name] = answered or again

    def _finish_events(self) -> None:
        for _ in range(ROUNDS):
            self._lives.here(self._actors.send())
            self._lives.here(self._actors.consume())
            if self._lives.here(self._is_quiet()):
                return
        raise AssertionError("events were lost: they never arrived")

    async def _is_quiet(self) -> bool:
        """All that was told is known where it has to be."""
        last = await self._told("max(sequence)")
        unsent = await self._asked(
            self._actors.users_database, "SELECT count(*) FROM outbox WHERE position IS NULL"
        )
        known = await self._owners("max(sequence)")
        return not unsent and known == last

    async def _check_owner(self) -> None:
        account = await self._rows(
            self._actors.users_database, "SELECT is_active FROM users WHERE id = :id", id=self._owner
        )
        state = "deleted" if not account else "active" if account[0].is_active else "deactivated"
        assert (await self._owners("min(state)") or "active") == state
        kinds = await self._told("array_agg(kind ORDER BY sequence)") or []
        assert all(one != following for one, following in itertools.pairwise(kinds)), kinds
        for key, item_id in self._listings.items():
            await self._check_listing(key, item_id, state)
        for name, answered in self._imports.items():
            created = [await self._check_listing(line, None, state) for line in imported(name)]
            assert all(created) or not answered, f"{name} was acknowledged, and lines of it are lost"
        assert await self._actors.dead.number() == 0

    async def _check_listing(self, key: str, item_id: int | None, state: str) -> bool:
        """One listing for each key and one event for each change, or none of both: whether it was listed."""
        database = self._actors.items_database
        found = await self._rows(database, "SELECT id, hidden FROM items WHERE name = :key", key=key)
        told = "SELECT (data->>'item_id')::bigint AS id FROM outbox WHERE kind = :kind AND {} = :of"
        created = await self._rows(database, told.format("data->>'name'"), kind="item.created", of=key)
        assert len(created) <= 1, f"{key} was listed {len(created)} times"
        assert item_id is None or [row.id for row in created] == [item_id], (
            f"{key} was acknowledged and is lost"
        )
        left = [] if state == "deleted" else [(row.id, state == "deactivated") for row in created]
        assert [(row.id, row.hidden) for row in found] == left, f"{key} is {found}, and its owner {state}"
        for row in created:
            ended = await self._rows(
                database, told.format("data->>'item_id'"), kind="item.deleted", of=str(row.id)
            )
            assert len(ended) == (state == "deleted"), f"{key} was told to have ended {len(ended)} times"
        return bool(created)

    async def _check_session(self) -> None:
        """One token lives. Whoever comes with one that was replaced ends the session."""
        newest = self._tokens[-1]
        following = await self._actors.refresh(newest)
        assert following, "a token that was acknowledged is refused"
        assert await self._actors.refresh(newest) == following, "a retry within the grace gets another token"
        last = await self._actors.refresh(following)
        assert last
        rows = await self._rows(
            self._actors.users_database,
            "SELECT refresh_digest FROM sessions WHERE user_id = :id AND ended_at IS NULL",
            id=self._visitor,
        )
        every = [*self._tokens, following, last]
        live = [
            one
            for one in every
            for row in rows
            if digest(RefreshToken.parse(one).secret) == row.refresh_digest
        ]
        assert (len(rows), live) == (1, [last])
        assert await self._actors.refresh(self._chance.choice([*self._tokens])) is None, "an old token works"
        assert await self._actors.refresh(last) is None, "the session outlives the reuse of a token"

    async def _told(self, what: str) -> Any:
        query = f"SELECT {what} FROM outbox WHERE (data->>'user_id')::bigint = :id"  # noqa: S608 - our own words
        return await self._asked(self._actors.users_database, query, id=self._owner)

    async def _owners(self, what: str) -> Any:
        query = f"SELECT {what} FROM owners WHERE id = :id"  # noqa: S608 - our own words
        return await self._asked(self._actors.items_database, query, id=self._owner)

    async def _asked(self, database: Any, query: str, **given: Any) -> Any:
        return (await self._rows(database, query, **given))[0][0]

    async def _rows(self, database: Any, query: str, **given: Any) -> list[Any]:
        async with database.transaction() as connection:
            return list((await connection.execute(text(query), given)).all())
