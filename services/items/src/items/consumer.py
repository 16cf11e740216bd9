"""Hears of accounts and models, and does what that means for listings: `python -m items.consumer`."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, Final

from redis.asyncio import Redis

from items.domain import Model
from items.factory import Factory
from items.models import ModelService
from items.owners import OwnerService
from items.settings import EventSettings
from shared.events import Event, Fact, Handlers
from shared.events.consumer import Consumer
from shared.events.consumers import Consumers
from shared.events.handlers import ByStream
from shared.events.process import connections, run
from shared.settings import load_settings

ACCOUNTS: Final = "events:users"
MODELS: Final = "events:ml-predict"
NEWEST: Final = {MODELS: "ml-predict:announced"}  # kept beside the stream, in case it loses events
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


class DefaultChanged(Fact):
    """The part of an event of `ml-predict` that is used here."""

    kind: ClassVar[str] = "model.default_changed"

    model: str
    default: str
    main: bool


def handlers(factory: Factory, redis: Redis) -> ByStream:
    return {ACCOUNTS: of_accounts(factory.owners(redis)), MODELS: of_models(factory.models())}


def of_accounts(owners: OwnerService) -> Handlers:
    async def end(event: Event, fact: UserDeleted) -> None:
        await owners.end(fact.user_id, event.sequence)

    async def hide(event: Event, fact: UserDeactivated) -> None:
        await owners.hide(fact.user_id, event.sequence)

    async def show(event: Event, fact: UserReactivated) -> None:
        await owners.show(fact.user_id, event.sequence)

    return Handlers({UserDeleted: end, UserDeactivated: hide, UserReactivated: show})


def of_models(models: ModelService) -> Handlers:
    async def become(event: Event, fact: DefaultChanged) -> None:
        if fact.main:
            await models.become(Model(fact.model, fact.default), event.sequence)

    return Handlers({DefaultChanged: become})


@asynccontextmanager
async def opened(settings: EventSettings) -> AsyncIterator[tuple[Redis, ByStream]]:
    async with connections(settings, settings.service) as (database, redis):
        yield redis, handlers(Factory(database), redis)


@asynccontextmanager
async def consumer(settings: EventSettings) -> AsyncIterator[Consumers]:
    """A container's host name is its own, so replicas share the work."""
    async with opened(settings) as (redis, by_stream):
        name = socket.gethostname()
        yield Consumers(
            [
                Consumer(redis, stream, GROUP, name, one, newest=NEWEST.get(stream))
                for stream, one in by_stream.items()
            ]
        )


def main() -> None:
    run(load_settings(EventSettings), "items-consumer", consumer)


if __name__ == "__main__":
    main()
