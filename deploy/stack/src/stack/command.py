"""The command `python -m stack`: starts the stack, or prints one line that says why it cannot."""

import argparse
import sys
from pathlib import Path

from stack.exceptions import StackFailed
from stack.run import run
from stack.settings import load_stack_settings
from stack.terminal import Terminal


def start() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="stop after the journey; status 0 if all worked")
    parser.add_argument("--folder", type=Path, help="data, secrets and logs; else FACET_FOLDER, else .facet")
    given = parser.parse_args()
    try:
        return run(load_stack_settings(given.folder), Terminal(), leave=given.exit)
    except StackFailed as error:
        Terminal(sys.stderr).bad(f"embedded stack: {error}")
        return 1
