"""A sender's and a consumer's database, a stream of their own, and facts to tell."""

import uuid
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.database import Database, database_url
from shared.events import Event, Fact, Handlers
from shared.events.consumer import Consumer
from shared.events.handled import HandledRepository, handled_table
from shared.events.outbox import OutboxRepository, outbox_table
from shared.events.relay import Relay
from shared.redis import request_client, stream_client
from shared.settings import DatabaseSettings, RedisSettings

GROUP = "shop"


class Sold(Fact):
    kind: ClassVar[str] = "ring.sold"

    ring: int


@dataclass
class Scene:
    """What stands when processes come and go: two databases, one Redis, one stream."""

    sender: Database
    consumer: Database
    redis: Redis
    bytes_redis: Redis
    stream: str = field(default_factory=lambda: f"events:{uuid.uuid4().hex}")

    def relay(self, consumers: Collection[str] = (), **options: Any) -> Relay:
        return Relay(self.sender, self.bytes_redis, self.stream, consumers, **options)

    def member(self, handler: Any = None, name: str = "1", **options: Any) -> Consumer:
        options = {"first_pause": 0.001, **options}
        handlers = self.handlers(handler)
        return Consumer(self.bytes_redis, self.stream, self.group, name, handlers, **options)

    def handlers(self, handler: Any = None) -> Handlers:
        return Handlers({Sold: handler or self.count_once})

    @property
    def group(self) -> str:
        return f"{GROUP}-{self.stream[-8:]}"

    async def tell(self, ring: int, *, broken: bool = False) -> None:
        """Raises LookupError after the fact was written, if `broken`: then it is not true."""
        async with self.sender.transaction() as connection:
            await OutboxRepository(connection).add(Sold(ring=ring))
            if broken:
                raise LookupError(ring)

    async def count_once(self, event: Event, fact: Sold) -> None:
        """The effect: a counter that shows an event applied twice or never."""
        async with self.consumer.transaction() as connection:
            if await HandledRepository(connection).add(event.id):
                await connection.execute(
                    text(
                        "INSERT INTO sold VALUES (:ring, 1) "
                        "ON CONFLICT (ring) DO UPDATE SET times = sold.times + 1"
                    ),
                    {"ring": fact.ring},
                )

    async def sold(self) -> dict[int, int]:
        """How often each ring was sold."""
        async with self.consumer.transaction() as connection:
            rows = await connection.execute(text("SELECT ring, times FROM sold"))
            return {row.ring: row.times for row in rows}


@pytest.fixture(scope="session")
def database_settings(make_database: Callable[..., Any]) -> Callable[[str], DatabaseSettings]:
    return lambda name: DatabaseSettings(**make_database(name))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def databases(database_settings: Any) -> AsyncIterator[tuple[Database, Database]]:
    opened = []
    for name in ("sender", "consumer"):
        settings = database_settings(name)
        metadata = MetaData()
        _ = outbox_table(metadata), handled_table(metadata)
        engine = create_async_engine(database_url(settings))
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.execute(
                text("CREATE TABLE sold (ring bigint PRIMARY KEY, times bigint NOT NULL)")
            )
        await engine.dispose()
        opened.append(Database(settings, name))
    yield opened[0], opened[1]
    for database in opened:
        await database.close()


@pytest_asyncio.fixture(loop_scope="session")
async def scene(databases: tuple[Database, Database], redis_settings: dict[str, Any]) -> AsyncIterator[Scene]:
    for database in databases:
        async with database.transaction() as connection:
            await connection.execute(text("TRUNCATE outbox, handled_events, sold"))
    settings = RedisSettings(**redis_settings)
    async with request_client(settings) as redis, stream_client(settings) as bytes_redis:
        made = Scene(*databases, redis, bytes_redis)
        yield made
        await redis.delete(made.stream, f"{made.group}:dead-letters")
