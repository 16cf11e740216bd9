"""Sends facts about accounts to the other services: `python -m users.relay`."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from shared.database import Database
from shared.events.process import run
from shared.events.relay import Relay
from shared.redis import stream_client
from shared.settings import load_settings
from users.events import STREAM
from users.settings import EventSettings


@asynccontextmanager
async def relay(settings: EventSettings) -> AsyncIterator[Relay]:
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        redis = await stack.enter_async_context(stream_client(settings))
        yield Relay(database, redis, STREAM, settings.event_consumers)


def main() -> None:
    run(load_settings(EventSettings), "users-relay", relay)


if __name__ == "__main__":
    main()
