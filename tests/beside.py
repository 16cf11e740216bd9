"""Runs a command, and another one beside it, whose output follows: `python tests/beside.py "OTHER" COMMAND…`.

The status is that of the command, or that of the other one where the command succeeded.
"""

import shlex
import shutil
import signal
import subprocess
import sys
import tempfile


def main(other: str, *command: str) -> int:
    with tempfile.TemporaryFile() as output:
        beside = subprocess.Popen(  # noqa: S603 - both are the caller's
            shlex.split(other), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        shown = subprocess.Popen(command)  # noqa: S603 - both are the caller's
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends both, and then this
        statuses = [shown.wait(), beside.wait()]
        output.seek(0)
        shutil.copyfileobj(output, sys.stdout.buffer)
    return next(filter(None, statuses), 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
