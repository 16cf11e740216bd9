"""Says in one line that a port cannot be had."""

import os


def cannot_listen(host: str, port: int | None, error: OSError) -> SystemExit:
    """To be raised. A host that is not known has a negative number, and its reason in the error itself."""
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return SystemExit(f"cannot listen on {host}:{port}: {reason}")
