"""What must hold when a schedule is finished: nothing acknowledged is lost, and nothing happened twice."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from tests.crashes.actors import Actors, imported
from users.credentials import RefreshToken, digest


class Checks:
    """Of one owner, whose listings, imports and events are looked at where they are stored."""

    def __init__(self, actors: Actors, owner: int) -> None:
        self._actors = actors
        self._owner = owner

    async def is_quiet(self) -> bool:
        """All that was told is known where it has to be."""
        last = await self._told("max(sequence)")
        unsent = await self._asked(
            self._actors.users_database, "SELECT count(*) FROM outbox WHERE position IS NULL"
        )
        known = await self._owners("max(sequence)")
        return not unsent and known == last

    async def check_owner(self, listings: Mapping[str, int | None], imports: Mapping[str, bool]) -> None:
        account = await self._rows(
            self._actors.users_database, "SELECT is_active FROM users WHERE id = :id", id=self._owner
        )
        state = "deleted" if not account else "active" if account[0].is_active else "deactivated"
        assert (await self._owners("min(state)") or "active") == state
        kinds = await self._told("array_agg(kind ORDER BY sequence)") or []
        assert all(one != following for one, following in itertools.pairwise(kinds)), kinds
        for key, item_id in listings.items():
            await self._check_listing(key, item_id, state)
        for name, answered in imports.items():
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

    async def check_session(self, visitor: int, tokens: Sequence[str], replaced: str) -> None:
        """One token lives. Whoever comes with one that was replaced ends the session."""
        newest = tokens[-1]
        following = await self._actors.refresh(newest)
        assert following, "a token that was acknowledged is refused"
        assert await self._actors.refresh(newest) == following, "a retry within the grace gets another token"
        last = await self._actors.refresh(following)
        assert last
        rows = await self._rows(
            self._actors.users_database,
            "SELECT refresh_digest FROM sessions WHERE user_id = :id AND ended_at IS NULL",
            id=visitor,
        )
        every = [*tokens, following, last]
        live = [
            one
            for one in every
            for row in rows
            if digest(RefreshToken.parse(one).secret) == row.refresh_digest
        ]
        assert (len(rows), live) == (1, [last])
        assert await self._actors.refresh(replaced) is None, "an old token works"
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
        return list(await database.autocommit.execute(text(query), given))
