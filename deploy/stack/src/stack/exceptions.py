"""How a stack ends that cannot start, or need not."""

import signal

INTERRUPTED = 128 + signal.SIGINT  # the exit status after Ctrl-C, as a shell gives it


class StackFailed(Exception):
    """The message says what is wrong and, if that is known, what to do."""
