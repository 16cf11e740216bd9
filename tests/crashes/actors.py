"""Everything that processes do with the servers, by the code that runs in production."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

import items.consumer
import items.factory
import users.events
import users.factory
from items import import_lines
from items.domain import Item
from items.exceptions import OwnerGone
from items.factory import CHANGED
from items.schemas import ItemChange, NewItem
from items.service import ItemService
from ml_predict import announcer
from shared.database import Database
from shared.events import Handlers, group
from shared.events.consumer import Consumer
from shared.events.dead_letters import DeadLetters
from shared.events.relay import Relay
from shared.identity import Caller
from shared.read_cache import Changes, ReadCache
from shared.redis import request_client, stream_client
from tests.crashes.appraising import MODEL, diamond
from tests.crashes.world import World
from users.domain import TokenPair
from users.exceptions import InvalidRefreshToken, UserNotFound
from users.schemas import UserChange

ADMIN = 1_000_000_000  # who changes accounts, for the audit log
IMPORTED = 5  # lines of a file
CARAT = 0.5  # of a listing that nobody has changed
import_lines.BATCH_LINES = 2  # type: ignore[misc]  # so that a few lines are several batches
announcer.LOOK_SECONDS = 0.0  # type: ignore[misc]  # a schedule is over before five seconds are
group.BLOCK = None  # nobody waits for events that are not there; the server ends a wait 100 ms late


def imported(name: str) -> list[str]:
    """The listings of a file."""
    return [f"{name}-{number}" for number in range(IMPORTED)]


class Actors:
    """Made anew for each process; what it has connects in that process."""

    def __init__(self, world: World) -> None:
        self.users_database = Database(world.users, "crashes")
        self.items_database = Database(world.items, "crashes")
        self.redis = request_client(world.users)
        self.stream = stream_client(world.users)
        self.users = users.factory.Factory(world.users, self.users_database, self.redis)
        self.users.ring.update([])
        self.items = items.factory.Factory(self.items_database)
        self.relay = Relay(self.users_database, self.stream, users.events.STREAM, ["items"])
        handlers = items.consumer.of_accounts(self.items.owners(self.redis))
        self.dead = DeadLetters(self.stream, items.consumer.GROUP)
        self.accounts = self._consumer(items.consumer.ACCOUNTS, handlers)
        self.models = self._consumer(items.consumer.MODELS, items.consumer.of_models(self.items.models()))
        self.announcer = announcer.Announcer(self.stream, lambda: {MODEL: world.version}, main=MODEL)

    def _consumer(self, stream: str, handlers: Handlers) -> Consumer:
        newest = items.consumer.NEWEST.get(stream)
        return Consumer(self.stream, stream, items.consumer.GROUP, "1", handlers, abandoned=0, newest=newest)

    async def sign_up(self) -> tuple[int, str]:
        """An account and its first refresh token, without the cost of a password."""
        async with self.users.store.transaction() as tx:
            user = await tx.users.add(f"{uuid.uuid4().hex}@example.com", "Ada", "no password")
            tokens, _ = await self.users.sessions().start(tx, user, "")
        return user.id, tokens.refresh_token

    async def refresh(self, token: str) -> str | None:
        """None if it is refused."""
        try:
            pair: TokenPair = await self.users.sessions().refresh(token)
        except InvalidRefreshToken:
            return None
        return pair.refresh_token

    async def list_once(self, owner_id: int, key: str) -> int | None:
        """An idempotent POST of a diamond. None if it is refused."""
        new = NewItem(name=key, price="1", features=diamond(CARAT))
        try:
            item = await self._listings.create(new, _caller(owner_id), key)
        except OwnerGone:
            return None
        return item.id

    async def weigh(self, owner_id: int, item_id: int, carat: float) -> None:
        """The diamond has other features."""
        await self._listings.change(item_id, ItemChange(features=diamond(carat)), _caller(owner_id))

    @property
    def _listings(self) -> ItemService:
        cache: ReadCache[Item] = ReadCache(Changes(self.redis, CHANGED), self.stream, size=0, seconds=1)
        return self.items.items(self.items.idempotency(24), cache)

    async def import_all(self, owner_id: int, name: str) -> bool:
        """The whole file, whatever was taken before. False if it is refused."""

        async def chunks() -> AsyncIterator[bytes]:
            for line in imported(name):
                yield json.dumps({"name": line, "price": "1"}).encode() + b"\n"

        try:
            done = await self.items.imports(24).take(name, 1, chunks(), _caller(owner_id))
        except OwnerGone:
            return False
        assert (done.line, done.created, done.failed) == (IMPORTED, IMPORTED, 0), done
        return True

    async def set_active(self, user_id: int, *, active: bool) -> None:
        await self.users.administration().change(user_id, UserChange(is_active=active), ADMIN)

    async def delete(self, user_id: int) -> None:
        """Safe to repeat."""
        with contextlib.suppress(UserNotFound):
            await self.users.administration().remove(user_id, ADMIN)

    async def send(self) -> None:
        await self.relay.send()

    async def consume(self) -> None:
        """As a process that has just started."""
        for consumer in (self.accounts, self.models):
            consumer._ready = False
            await consumer.step()

    async def announce(self) -> None:
        await self.announcer.follow()

    async def lose_redis(self) -> None:
        await self.redis.flushdb()

    async def lose_announcements(self, before: Mapping[bytes, bytes]) -> None:
        """It comes back with the memory that it had when the newest events were `before`."""
        await self.redis.delete(items.consumer.MODELS, announcer.ANNOUNCED)
        if before:
            await self.redis.hset(announcer.ANNOUNCED, mapping=dict(before))  # type: ignore[arg-type]

    async def lose_stream(self) -> None:
        """The events of models that nobody has read yet."""
        await self.redis.delete(items.consumer.MODELS)

    async def announced(self) -> Mapping[bytes, bytes]:
        """The newest event of each model."""
        found: Any = await self.stream.hgetall(announcer.ANNOUNCED)
        return dict(found)

    async def close(self) -> None:
        await self.redis.aclose()
        await self.stream.aclose()
        await self.users_database.close()
        await self.items_database.close()


def _caller(owner_id: int) -> Caller:
    return Caller(id=owner_id, session_id="s", scopes=frozenset({"write"}), expires_at=0)
