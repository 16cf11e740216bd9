"""What a service's command for its dead letters does: shows, replays or discards them."""

import argparse
import asyncio
from contextlib import AbstractAsyncContextManager

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.events.dead_letters import DeadLetter, DeadLetters
from shared.events.handlers import ByStream
from shared.logging import configure_logging
from shared.settings import ServiceSettings


def run(
    module: str,
    settings: ServiceSettings,
    group: str,
    opened: AbstractAsyncContextManager[tuple[Redis, ByStream]],
) -> None:
    """Raises SystemExit with one line, and status 1 where letters are left after a replay."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=__doc__)
    parser.add_argument("action", nargs="?", choices=["list", "replay", "discard"], default="list")
    parser.add_argument("letter", nargs="?", help="discard: the letter's id")
    given = parser.parse_args()
    if (given.action == "discard") != bool(given.letter):
        parser.error("discard needs the id of a letter, and nothing else has one")
    configure_logging(settings.model_copy(update={"log_level": "warning"}))  # the lines below say it all
    try:
        left = asyncio.run(_act(opened, group, given.action, given.letter))
    except RedisError as error:
        raise SystemExit(f"Redis cannot be asked ({type(error).__name__})") from None
    raise SystemExit(1 if given.action == "replay" and left else 0)


async def _act(
    opened: AbstractAsyncContextManager[tuple[Redis, ByStream]], group: str, action: str, letter: str
) -> int:
    """Returns how many letters were shown."""
    async with opened as (redis, handlers):
        letters = DeadLetters(redis, group)
        if action == "discard":
            _say(
                f"{letter} is discarded" if await letters.discard(letter) else f"there is no letter {letter}"
            )
            return 0
        if action == "replay":
            handled, found = await letters.replay(handlers)
            _say(f"{handled} handled, {len(found)} left")
        else:
            found = await letters.all()
        for one in found:
            _say(_line(one))
        return len(found)


def _line(letter: DeadLetter) -> str:
    what = f"{letter.event.kind} {letter.event.data}" if letter.event else "unreadable"
    return f"{letter.id}  {what}  {letter.reason}"


def _say(line: str) -> None:
    print(line)  # noqa: T201 - a command's answer
