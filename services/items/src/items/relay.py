"""Sends facts about listings to the other services: `python -m items.relay`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from items.events import STREAM
from items.settings import EventSettings
from shared.events.process import connections, run
from shared.events.relay import Relay
from shared.settings import load_settings


@asynccontextmanager
async def relay(settings: EventSettings) -> AsyncIterator[Relay]:
    async with connections(settings, settings.service) as (database, redis):
        yield Relay(database, redis, STREAM, settings.event_consumers)


def main() -> None:
    run(load_settings(EventSettings), "items-relay", relay)


if __name__ == "__main__":
    main()
