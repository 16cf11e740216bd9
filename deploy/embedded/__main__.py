"""`python -m deploy.embedded`: starts the stack, or says in one line why it cannot."""

import argparse
import sys
from pathlib import Path

from deploy.embedded.exceptions import StackFailed
from deploy.embedded.settings import INTERRUPTED, load_stack_settings
from deploy.terminal import Terminal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description=__doc__)
    parser.add_argument("--exit", action="store_true", help="stop after the journey; status 0 if all worked")
    parser.add_argument("--folder", type=Path, help="data, secrets and logs; else FACET_FOLDER, else .facet")
    given = parser.parse_args()
    try:
        settings = load_stack_settings(**({"facet_folder": given.folder} if given.folder else {}))
        from deploy.embedded.run import run  # noqa: PLC0415 - needs the wheels, whose lack has a line of its own

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
