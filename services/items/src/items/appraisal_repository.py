"""Appraisals that are remembered, in Postgres."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, BigInteger, Interval, and_, any_, bindparam, column, delete, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from items.domain import Appraisable, Appraisal, Features, Model
from items.searching import VISIBLE
from items.tables import appraisals, default_model, items
from shared.database import Connection, Row, Statement

_OLDEST: Final = func.now() - bindparam("lifetime", type_=Interval)
# It must be of what the listing says now, so that no change of a listing has to think of appraisals.
_COUNTS: Final = and_(
    appraisals.c.item_id == items.c.id,
    appraisals.c.features == items.c.features,
    appraisals.c.appraised_at >= _OLDEST,
)
_TOLD: Final = ("estimate", "low", "high", "model", "version", "appraised_at")
KNOWN: Final = Statement(
    select(
        items.c.id,
        items.c.features,
        *(appraisals.c[name] for name in _TOLD),
        default_model.c.name.label("default_name"),
        default_model.c.version.label("default_version"),
    )
    .select_from(items)
    .outerjoin(appraisals, _COUNTS)
    .outerjoin(default_model, default_model.c.one)
    .where(items.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger))), VISIBLE)
)
_SAVED: Final = ("item_id", "features", *_TOLD)
_NEW: Final = (
    func.jsonb_to_recordset(bindparam("new", type_=JSONB))
    .table_valued(*(column(name, appraisals.c[name].type) for name in _SAVED), name="new")
    .render_derived(with_types=True)
)
# In the order of the ids, so that two who save the same page never wait for each other.
_ADD: Final = insert(appraisals).from_select(_SAVED, select(*_NEW.c).order_by(_NEW.c.item_id))
SAVE: Final = Statement(
    _ADD.on_conflict_do_update(
        index_elements=["item_id"], set_={name: _ADD.excluded[name] for name in _SAVED[1:]}
    )
)
FORGOTTEN: Final = 10_000  # appraisals that one statement deletes at the most: it must end in time
_EXPIRED: Final = (
    select(appraisals.c.item_id)
    .where(appraisals.c.appraised_at < _OLDEST)
    .order_by(appraisals.c.appraised_at)
    .limit(FORGOTTEN)
)
FORGET: Final = Statement(delete(appraisals).where(appraisals.c.item_id.in_(_EXPIRED)))


class AppraisalRepository:
    """An appraisal counts for `lifetime`. Those of listings that are gone stay until then, unread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def known(self, ids: Sequence[int], lifetime: timedelta) -> dict[int, Appraisable]:
        """By id, the listings that can be seen, each with the appraisal that is remembered of it."""
        rows = await self._connection.execute(KNOWN, {"ids": ids, "lifetime": lifetime})
        return {row.id: _appraisable(row) for row in rows}

    async def save(self, appraised: Mapping[int, Features], told: Sequence[Appraisal]) -> None:
        """`appraised` are the features by the listing's id: they may have changed since."""
        new = [_row(appraisal, appraised[appraisal.item_id]) for appraisal in told]
        await self._connection.execute(SAVE, {"new": new})

    async def forget(self, lifetime: timedelta) -> int:
        """Deletes those that are older, FORGOTTEN at the most. Returns how many those were."""
        return (await self._connection.execute(FORGET, {"lifetime": lifetime})).rowcount


def _appraisable(row: Row) -> Appraisable:
    default = None if row.default_name is None else Model(row.default_name, row.default_version)
    appraisal = None
    if row.estimate is not None:
        model = Model(row.model, row.version)
        appraisal = Appraisal(row.id, row.estimate, row.low, row.high, model, row.appraised_at)
    return Appraisable(row.id, row.features, appraisal, default)


def _row(appraisal: Appraisal, features: Features) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "item_id": appraisal.item_id,
        "features": dict(features),
        "estimate": str(appraisal.estimate),
        "low": str(appraisal.low),
        "high": str(appraisal.high),
        "model": appraisal.model.name,
        "version": appraisal.model.version,
        "appraised_at": appraisal.appraised_at.isoformat(),
    }
