"""Lines that say what a bench does meanwhile."""

import sys


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress
