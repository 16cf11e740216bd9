"""`python -m stack`: see `stack.command`, whose import takes a while in which a person may press Ctrl-C."""

import sys

from stack.exceptions import INTERRUPTED


def main() -> int:
    try:
        from stack.command import start  # noqa: PLC0415 - for what is said below

        return start()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"embedded stack: {error.name} is not installed: run make install\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED  # so early that nothing had been started


if __name__ == "__main__":
    sys.exit(main())
