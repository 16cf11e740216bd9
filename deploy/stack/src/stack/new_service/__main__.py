"""`python -m stack.new_service orders` writes a new service and adds it to the system."""

import argparse
import sys

from stack.exceptions import StackFailed
from stack.new_service.writer import write_service
from stack.terminal import Terminal


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack.new_service", description=__doc__)
    parser.add_argument("name", help="a plural noun, for example orders")
    given = parser.parse_args()
    try:
        service = write_service(given.name)
    except StackFailed as error:
        Terminal(sys.stderr).bad(str(error))
        return 1
    terminal = Terminal()
    terminal.line(f"{service.folder} is written; git diff shows where it was added (docs/splitting.md)")
    terminal.line(f"now: make check, make test ARGS={service.folder}, make demo")
    return 0


if __name__ == "__main__":
    sys.exit(main())
