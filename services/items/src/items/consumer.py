"""Hears what happens to accounts, and does what that means for their listings: `python -m items.consumer`."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from redis.asyncio import Redis

from items.factory import Factory
from items.owners import OwnerService
from items.settings import EventSettings
from shared.events import Event, Fact, Handlers
from shared.events.consumer import Consumer
from shared.events.process import connections, run
from shared.settings import load_settings

STREAM: Final = "events:users"
GROUP: Final = "items"


class AccountFact(Fact):
    """The part of an event of `users` that is used here."""

    user_id: int


class UserDeleted(AccountFact):
    kind: ClassVar[str] = "user.deleted"


class UserDeactivated(AccountFact):
    kind: ClassVar[str] = "user.deactivated"


class UserReactivated(AccountFact):
    kind: ClassVar[str] = "user.reactivated"


def handlers(owners: OwnerService) -> Handlers:
    async def end(event: Event, fact: UserDeleted) -> None:
        await owners.end(fact.user_id, event.sequence)

    async def hide(event: Event, fact: UserDeactivated) -> None:
        await owners.hide(fact.user_id, event.sequence)

    async def show(event: Event, fact: UserReactivated) -> None:
        await owners.show(fact.user_id, event.sequence)

    return Handlers({UserDeleted: end, UserDeactivated: hide, UserReactivated: show})


@asynccontextmanager
async def opened(settings: EventSettings) -> AsyncIterator[tuple[Redis, Handlers]]:
    async with connections(settings, settings.service) as (database, redis):
        yield redis, handlers(Factory(database).owners(redis))


@asynccontextmanager
async def consumer(settings: EventSettings) -> AsyncIterator[Consumer]:
    """A container's host name is its own, so replicas share the work."""
    async with opened(settings) as (redis, handling):
        yield Consumer(redis, STREAM, GROUP, socket.gethostname(), handling)


def main() -> None:
    run(load_settings(EventSettings), "items-consumer", consumer)


if __name__ == "__main__":
    main()
