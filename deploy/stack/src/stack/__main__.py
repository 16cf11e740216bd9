"""`python -m stack`: starts the stack, or prints one line that says why it cannot."""

import argparse
import sys
from pathlib import Path

from stack.exceptions import StackFailed
from stack.settings import INTERRUPTED, load_stack_settings
from stack.terminal import Terminal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="stop after the journey; status 0 if all worked")
    parser.add_argument("--folder", type=Path, help="data, secrets and logs; else FACET_FOLDER, else .facet")
    given = parser.parse_args()
    try:
        settings = load_stack_settings(given.folder)
        from stack.run import run  # noqa: PLC0415 - if a wheel is missing, the line below says so

        return run(settings, Terminal(), leave=given.exit)
    except StackFailed as error:
        Terminal(sys.stderr).bad(f"embedded stack: {error}")
    except ModuleNotFoundError as error:
        Terminal(sys.stderr).bad(f"embedded stack: {error.name} is not installed: run make install")
    except KeyboardInterrupt:
        return INTERRUPTED  # so early that nothing had been started
    return 1


if __name__ == "__main__":
    sys.exit(main())
