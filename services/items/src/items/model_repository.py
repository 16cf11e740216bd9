"""Which model appraises where no version is named, in Postgres: one row, or none while nothing is known."""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Interval, bindparam, func, literal, or_
from sqlalchemy.dialects.postgresql import insert

from items.domain import Model
from items.tables import default_model
from shared.database import Connection, Statement

_KEY: Final = ["one"]
_NOW: Final = func.now()
_TOLD: Final = insert(default_model).values(
    name=bindparam("name"),
    version=bindparam("version"),
    sequence=bindparam("sequence", type_=BigInteger),
    learned_at=_NOW,
)
LEARN: Final = Statement(
    _TOLD.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: _TOLD.excluded[name] for name in ("name", "version", "sequence", "learned_at")},
        where=default_model.c.sequence < _TOLD.excluded.sequence,
    )
)
_SEEN: Final = insert(default_model).values(
    name=bindparam("name"), version=bindparam("version"), sequence=literal(0), learned_at=_NOW
)
_DIFFERS: Final = or_(
    default_model.c.name != _SEEN.excluded.name, default_model.c.version != _SEEN.excluded.version
)
NOTICE: Final = Statement(
    _SEEN.on_conflict_do_update(
        index_elements=_KEY,
        set_={name: _SEEN.excluded[name] for name in ("name", "version", "learned_at")},
        where=_DIFFERS & (default_model.c.learned_at < _NOW - bindparam("settled", type_=Interval)),
    )
)


class ModelRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def learn(self, model: Model, sequence: int) -> bool:
        """What an event says. False if something newer is known already."""
        values: dict[str, Any] = {"name": model.name, "version": model.version, "sequence": sequence}
        return bool((await self._connection.execute(LEARN, values)).rowcount)

    async def notice(self, model: Model, settled: timedelta) -> bool:
        """What an answer says, in case an event was lost. What was learned less than `settled` ago stays."""
        values: dict[str, Any] = {"name": model.name, "version": model.version, "settled": settled}
        return bool((await self._connection.execute(NOTICE, values)).rowcount)
