"""The servers, and everything that processes do with them."""

import asyncio
import contextlib
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import items.consumer
import items.factory
import items.migrations
import users.events
import users.factory
import users.migrations
from items import import_lines
from items.domain import Item
from items.exceptions import OwnerGone
from items.factory import CHANGED
from items.schemas import NewItem
from items.settings import EventSettings
from shared.database import Database
from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.events import consumer as consuming
from shared.events.consumer import Consumer
from shared.events.dead_letters import DeadLetters
from shared.events.relay import Relay
from shared.identity import Caller
from shared.logging import configure_logging
from shared.migrations import upgrade
from shared.provision import provision
from shared.read_cache import Changes, ReadCache
from shared.redis import request_client, stream_client
from users.domain import TokenPair
from users.exceptions import InvalidRefreshToken, UserNotFound
from users.schemas import UserChange
from users.settings import UsersSettings

ADMIN = 1_000_000_000  # who changes accounts, for the audit log
IMPORTED = 5  # lines of a file
import_lines.BATCH_LINES = 2  # type: ignore[misc]  # so that a few lines are several batches
consuming.BLOCK = None  # nobody waits for events that are not there; the server ends a wait 100 ms late


def imported(name: str) -> list[str]:
    """The listings of a file."""
    return [f"{name}-{number}" for number in range(IMPORTED)]


class World:
    """Settings of the services, for servers that run."""

    def __init__(self, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        redis = {"redis_url": valkey.url, "redis_password": valkey.password, "redis_timeout": 5.0}
        passwords = {name: secrets.token_urlsafe() for name in ("users", "items")}
        asyncio.run(provision(postgres.admin_url, passwords))
        database = {
            name: {"database_url": postgres.url(name, name), "database_password": password}
            for name, password in passwords.items()
        }
        self.users = UsersSettings(
            **database["users"],
            **redis,
            signing_key=_signing_key(),
            internal_secret="nobody asks for it here",
            log_level="error",
            refresh_grace_seconds=60,  # a slow machine must not make a retry a reuse
        )
        self.items = EventSettings(**database["items"], **redis, log_level="error")
        configure_logging(self.users)
        upgrade(users.migrations.FOLDER, self.users)
        upgrade(Path(items.migrations.__file__).parent, self.items)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    password = secrets.token_urlsafe()
    postgres = EmbeddedPostgres(folder / "pg", password, folder / "pg.log", durable=False)
    valkey = EmbeddedValkey(folder / "valkey", password, folder / "valkey.log")
    try:
        postgres.start()
        valkey.start()
        yield World(postgres, valkey)
    finally:
        valkey.stop()
        postgres.stop()


class Actors:
    """What processes do: made anew in each process, by the code that runs in production."""

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
        self.consumer = Consumer(
            self.stream, items.consumer.ACCOUNTS, items.consumer.GROUP, "1", handlers, abandoned=0
        )

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
        """An idempotent POST. None if it is refused."""
        caller = Caller(id=owner_id, session_id="s", scopes=frozenset({"write"}), expires_at=0)
        cache: ReadCache[Item] = ReadCache(Changes(self.redis, CHANGED), self.stream, size=0, seconds=1)
        service = self.items.items(self.items.idempotency(24), cache)
        try:
            item = await service.create(NewItem(name=key, price="1"), caller, key)
        except OwnerGone:
            return None
        return item.id

    async def import_all(self, owner_id: int, name: str) -> bool:
        """The whole file, whatever was taken before. False if it is refused."""
        caller = Caller(id=owner_id, session_id="s", scopes=frozenset({"write"}), expires_at=0)

        async def chunks() -> AsyncIterator[bytes]:
            for line in imported(name):
                yield json.dumps({"name": line, "price": "1"}).encode() + b"\n"

        try:
            done = await self.items.imports(24).take(name, 1, chunks(), caller)
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
        self.consumer._ready = False
        await self.consumer.step()

    async def lose_redis(self) -> None:
        await self.redis.flushdb()

    async def close(self) -> None:
        await self.redis.aclose()
        await self.stream.aclose()
        await self.users_database.close()
        await self.items_database.close()


def _signing_key() -> Any:
    key = ec.generate_private_key(ec.SECP256R1())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *private).decode()
