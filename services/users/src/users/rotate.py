"""Changes the key that signs access tokens: `python -m users.rotate [--at-once]`."""

import argparse
import asyncio
from datetime import datetime

from shared.logging import configure_logging
from shared.settings import load_settings
from users.commands import services
from users.domain import StoredKey
from users.settings import UsersSettings


async def rotate(settings: UsersSettings, *, at_once: bool) -> tuple[StoredKey, datetime]:
    """Raises SystemExit with one line when it cannot be done, and then nothing has changed."""
    async with services(settings, "users-rotate") as factory:
        return await factory.key_rotation().rotate(at_once=at_once)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m users.rotate", description=__doc__)
    parser.add_argument(
        "--at-once",
        action="store_true",
        help="the old key may be known to others: refuse its tokens from now on, so that all clients refresh",
    )
    given = parser.parse_args()
    settings = load_settings(UsersSettings)
    configure_logging(settings.model_copy(update={"log_level": "warning"}))  # the lines below say it all
    key, until = asyncio.run(rotate(settings, at_once=given.at_once))
    print(f"key {key.key_id} is published now and signs from {key.signs_from:%H:%M:%S} UTC")  # noqa: T201 - a command's answer
    print(f"tokens of older keys are accepted until {until:%H:%M:%S} UTC")  # noqa: T201 - the same


if __name__ == "__main__":
    main()
