"""A statement of SQLAlchemy Core gives the same values whichever way it is executed."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Double,
    Executable,
    Identity,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    Text,
    any_,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from shared.database import Connection, Database, Statement, database_url
from shared.settings import DatabaseSettings

things = Table(
    "things",
    MetaData(),
    Column("id", BigInteger, Identity(), primary_key=True),
    Column("name", Text),
    Column("price", Numeric(12, 2)),
    Column("weight", Double),
    Column("at", DateTime(timezone=True)),
    Column("detail", JSONB(none_as_null=True)),
    Column("words", ARRAY(Text)),
    Column("digest", LargeBinary),
)
VALUES: dict[str, Any] = {
    "name": "Ön $1 :x %s 'q'",
    "price": Decimal("0.10"),
    "weight": 0.1,
    "at": datetime(2026, 3, 29, 3, 0, tzinfo=timezone(timedelta(hours=2))),
    "detail": {"carat": 0.71, "cut": "Very Good", "deep": [1, None, True, {"ü": "\\"}], "large": 2**60},
    "words": ["read", "a,b", '"'],
    "digest": b"\x00\xff",
}
EMPTY = dict.fromkeys(VALUES)
ADD = Statement(insert(things).returning(things), columns=tuple(VALUES))
BY_ID = select(things).where(things.c.id == bindparam("wanted"))


@pytest.fixture(scope="module")
def settings(make_database: Callable[..., Any]) -> DatabaseSettings:
    return DatabaseSettings(**make_database("things"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    engine = create_async_engine(database_url(settings))
    async with engine.begin() as connection:
        await connection.run_sync(things.metadata.create_all)
    await engine.dispose()
    opened = Database(settings, "test")
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="session")
async def sqlalchemy(settings: DatabaseSettings) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(database_url(settings))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.mark.parametrize("values", [VALUES, EMPTY])
async def test_values_are_those_of_sqlalchemys_own_engine(
    database: Database, sqlalchemy: AsyncConnection, values: dict[str, Any]
) -> None:
    added = (await database.autocommit.execute(ADD, values)).one()
    wanted = {"wanted": added.id}
    expected = dict((await sqlalchemy.execute(BY_ID, wanted)).one()._mapping)
    assert expected == {"id": added.id, **values}
    async with database.transaction() as transaction:
        for connection in (transaction, database.autocommit):
            for statement in (BY_ID, Statement(BY_ID), select(things).where(things.c.id == added.id)):
                found = dict((await connection.execute(statement, wanted)).one())
                assert found == expected
                assert [type(value) for value in found.values()] == [type(v) for v in expected.values()]
                assert found["at"] is None or found["at"].utcoffset() == timedelta()


@pytest.fixture(params=["autocommit", "transaction"])
async def connection(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Connection]:
    if request.param == "autocommit":
        yield database.autocommit
    else:
        async with database.transaction() as opened:
            yield opened


async def test_an_expression_is_executed_as_it_is(connection: Connection) -> None:
    row = (
        await connection.execute(insert(things).values(VALUES).returning(things.c.id, things.c.name))
    ).one()
    number, name = row
    assert (row.id, row["name"], row[1]) == (number, name, name)
    with pytest.raises(AttributeError):
        _ = row.missing
    mine = things.c.id == number
    changed = await connection.execute(update(things).where(mine).values(name="b", detail=None))
    assert changed.rowcount == 1
    assert await connection.scalar(select(things.c.name).where(mine)) == "b"
    assert await connection.scalar(select(things.c.detail.is_(None)).where(mine))
    both = select(things.c.id).where(things.c.id.in_([number, -1, -2]), things.c.name.in_(["b"]))
    assert await connection.scalars(both) == [number]
    assert (await connection.execute(both)).scalar_one() == number
    assert await connection.scalars(select(things.c.id).where(things.c.id.in_([]))) == []
    assert (await connection.execute(delete(things).where(mine))).rowcount == 1
    assert (await connection.execute(select(things).where(mine))).one_or_none() is None
    assert await connection.scalar(select(things.c.id).where(mine)) is None


async def test_other_values_of_the_same_expression_are_not_mixed_up(connection: Connection) -> None:
    def sum_of(left: int, right: int) -> Executable:
        return select(func.greatest(left, right), func.coalesce(None, left + right)).limit(1)

    for left, right in ((1, 2), (40, 3), (3, 40)):
        assert tuple((await connection.execute(sum_of(left, right))).one()) == (
            max(left, right),
            left + right,
        )


async def test_many_executions_at_once(connection: Connection) -> None:
    added = Statement(insert(things), columns=("name", "weight"))
    await connection.execute_many(added, [{"name": "many", "weight": float(number)} for number in range(3)])
    weights = select(things.c.weight).where(things.c.name == "many").order_by(things.c.weight)
    assert await connection.scalars(weights) == [0.0, 1.0, 2.0]
    await connection.execute(delete(things).where(things.c.name == "many"))


async def test_a_list_is_compared_with_any(connection: Connection) -> None:
    listed = Statement(select(text("1")).where(any_(bindparam("ids", type_=ARRAY(BigInteger))) == 7))
    assert await connection.scalars(listed, {"ids": [5, 7]}) == [1]
    assert await connection.scalars(listed, {"ids": []}) == []


def test_what_cannot_be_compiled_once_is_refused() -> None:
    with pytest.raises(TypeError, match="any_"):
        _ = Statement(select(things).where(things.c.id.in_(bindparam("ids", expanding=True)))).text


def test_a_missing_value_is_a_mistake_and_a_default_is_none() -> None:
    statement = Statement(select(things).where(things.c.id == bindparam("wanted")).limit(20))
    with pytest.raises(KeyError, match="wanted"):
        statement.bind({})
    assert statement.bind({"wanted": 3}) == [3, 20]
    assert statement.text.endswith("$2::INTEGER")
