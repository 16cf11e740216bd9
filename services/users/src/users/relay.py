"""Sends facts about accounts to the other services: `python -m users.relay`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.events.process import connections, run
from shared.events.relay import Relay
from shared.settings import load_settings
from users.events import STREAM
from users.settings import EventSettings


@asynccontextmanager
async def relay(settings: EventSettings) -> AsyncIterator[Relay]:
    async with connections(settings, settings.service) as (database, redis):
        yield Relay(database, redis, STREAM, settings.event_consumers)


def main() -> None:
    run(load_settings(EventSettings), "users-relay", relay)


if __name__ == "__main__":
    main()
