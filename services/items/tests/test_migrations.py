"""The history of the database, and that it ends where the code begins."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

import items
from items.settings import MigrationSettings
from items.tables import items as table
from items.tables import metadata
from shared.database import database_url
from shared.migrations import alembic_config, include_object, upgrade
from shared.testing.programs import Program, started

MIGRATIONS = Path(items.__file__).parent / "migrations"


@pytest.fixture(scope="module")
def settings(make_database: Callable[..., dict[str, Any]]) -> MigrationSettings:
    return MigrationSettings(**make_database("items_migrations"))


@pytest_asyncio.fixture(loop_scope="session")
async def engine(settings: MigrationSettings) -> AsyncIterator[AsyncEngine]:
    """On a database that was brought down and up again."""
    await asyncio.to_thread(command.upgrade, alembic_config(MIGRATIONS, settings), "head")
    await asyncio.to_thread(command.downgrade, alembic_config(MIGRATIONS, settings), "base")
    await asyncio.to_thread(upgrade, MIGRATIONS, settings)
    made = create_async_engine(database_url(settings), poolclass=NullPool)
    yield made
    await made.dispose()


async def test_the_migrated_database_is_what_the_code_expects(engine: AsyncEngine) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        options = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": include_object,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        await connection.execute(sa.text("DROP INDEX ix_items_words"))
        assert [kind for kind, *_ in await connection.run_sync(differences)] == ["add_index"]


async def test_the_migrated_constraints_and_indexes_are_word_for_word_the_codes(engine: AsyncEngine) -> None:
    """Which also says what alembic does not compare: check constraints, expressions, directions, operator
    classes."""
    definitions = {
        "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'items'::regclass ORDER BY 1",
        "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'items' ORDER BY 1",
        "columns": "SELECT column_name, is_nullable, generation_expression, identity_generation "
        "FROM information_schema.columns WHERE table_name = 'items' ORDER BY ordinal_position",
    }

    async def described(connection: Any) -> dict[str, Any]:
        return {name: (await connection.execute(sa.text(sql))).all() for name, sql in definitions.items()}

    async with engine.connect() as connection:
        migrated = await described(connection)
        await connection.execute(sa.text("DROP TABLE items"))
        await connection.run_sync(metadata.create_all)
        created = await described(connection)
        await connection.rollback()
    assert migrated == created
    assert len(migrated["indexes"]) == 9
    assert all(name.startswith(("ck_items_", "pk_items", "items_")) for name, _ in migrated["constraints"])


async def test_going_down_leaves_nothing(engine: AsyncEngine, settings: MigrationSettings) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(MIGRATIONS, settings), "base")
    async with engine.connect() as connection:
        tables = await connection.run_sync(lambda inner: sa.inspect(inner).get_table_names())
    assert tables == ["alembic_version"]


async def test_the_command_migrates_with_the_databases_settings_alone(
    engine: AsyncEngine, settings: MigrationSettings
) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(MIGRATIONS, settings), "base")
    environment = {
        "ITEMS_DATABASE_URL": settings.database_url,
        "ITEMS_DATABASE_PASSWORD": settings.database_password.get_secret_value(),
    }
    both = [await migrate(environment) for _ in range(2)]  # the second finds nothing to do
    async with asyncio.timeout(30):
        output = b"".join([(await process.communicate())[0] for process in both])
    assert [process.returncode for process in both] == [0, 0], output.decode()
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() == 0


async def migrate(environment: dict[str, str]) -> Program:
    return await started("-m", "items.migrations", environment=os.environ | environment)


@pytest.mark.parametrize(
    ("column", "value", "constraint"),
    [
        ("name", "", "ck_items_name_length"),
        ("name", "n" * 201, "ck_items_name_length"),
        ("description", "d" * 5001, "ck_items_description_length"),
        ("price", 0, "ck_items_price_positive"),
        ("currency", "usd", "ck_items_currency_code"),
        ("features", [1], "ck_items_features_object"),
    ],
)
async def test_the_database_itself_refuses_what_must_never_be(
    engine: AsyncEngine, column: str, value: Any, constraint: str
) -> None:
    row = {"name": "n", "description": "", "price": 1, "currency": "USD", "owner_id": 1, column: value}
    async with engine.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError, match=constraint):
            await connection.execute(sa.insert(table).values(row))


# What the first release executes: it still runs while it is replaced. A migration that breaks one of them has
# to wait for the release after the next.
FIRST_RELEASE = [
    "INSERT INTO items (name, description, price, currency, features, owner_id) "
    "VALUES ('n', '', 1, 'USD', '{\"carat\": 1, \"cut\": \"Ideal\"}', 1) "
    "RETURNING id, name, description, price, currency, features, owner_id, created_at, updated_at",
    "SELECT id, name, description, price, currency, features, owner_id, created_at, updated_at "
    "FROM items WHERE name = 'n' FOR UPDATE",
    "SELECT id FROM items WHERE price >= 1 AND price <= 1 AND currency = 'USD' AND carat >= 1 AND carat <= 1 "
    'AND features @> \'{"cut": "Ideal"}\' AND owner_id = 1 '
    "AND lower(name COLLATE pg_c_utf8) LIKE lower('%n%' COLLATE pg_c_utf8) "
    "ORDER BY carat DESC NULLS LAST, id DESC OFFSET 0 LIMIT 20",
    "UPDATE items SET name = 'n', price = 2, updated_at = greatest(clock_timestamp(), updated_at) "
    "WHERE name = 'n' RETURNING id",
    "DELETE FROM items WHERE name = 'n' RETURNING id",
]


async def test_the_first_release_works_on_the_new_schema(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        for statement in FIRST_RELEASE:
            found = (await connection.execute(sa.text(statement.replace(":", "\\:")))).all()
            assert len(found) == 1, statement


async def test_a_migration_of_a_table_in_use_lets_writes_through(
    engine: AsyncEngine, settings: MigrationSettings, eventually: Callable[..., Any]
) -> None:
    """A transaction that is open keeps the new index waiting; everybody else goes on writing."""
    await asyncio.to_thread(command.downgrade, alembic_config(MIGRATIONS, settings), "0003")
    add = sa.text(FIRST_RELEASE[0].replace(":", "\\:"))

    async def waiting() -> int:
        found = (
            "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^CREATE INDEX' AND wait_event_type = 'Lock'"
        )
        async with engine.connect() as connection:
            return int(await connection.scalar(sa.text(found)) or 0)

    async with engine.connect() as open_for_long, engine.connect() as writer:
        await open_for_long.execute(add)
        migrating = asyncio.ensure_future(asyncio.to_thread(upgrade, MIGRATIONS, settings))
        await eventually(waiting, 1)
        await writer.execute(add)
        await writer.commit()
        assert not migrating.done()
        await open_for_long.commit()
    await migrating
    async with engine.connect() as connection:
        valid = "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'items'::regclass"
        assert await connection.scalar(sa.text(valid))


async def test_an_index_that_was_left_half_built_is_built_again(
    engine: AsyncEngine, settings: MigrationSettings, eventually: Callable[..., Any]
) -> None:
    await asyncio.to_thread(command.downgrade, alembic_config(MIGRATIONS, settings), "0003")
    cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE query ~ '^CREATE INDEX' "
    broken = "SELECT count(*) FROM pg_index WHERE indrelid = 'items'::regclass AND NOT indisvalid"

    async def cancelled() -> int:
        async with engine.connect() as connection:
            return int(await connection.scalar(sa.text(cancel + "AND wait_event_type = 'Lock'")) or 0)

    async with engine.connect() as open_for_long:
        await open_for_long.execute(sa.text("SELECT 1 FROM items FOR UPDATE"))
        await open_for_long.execute(sa.text("LOCK TABLE items IN ROW EXCLUSIVE MODE"))
        migrating = asyncio.ensure_future(asyncio.to_thread(upgrade, MIGRATIONS, settings))
        await eventually(cancelled, 1)
        with pytest.raises(sa.exc.DBAPIError, match="cancel"):
            await migrating
    async with engine.connect() as connection:
        assert await connection.scalar(sa.text(broken)) == 1
    await asyncio.to_thread(upgrade, MIGRATIONS, settings)
    async with engine.connect() as connection:
        assert await connection.scalar(sa.text(broken)) == 0
