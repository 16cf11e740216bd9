"""Where load may go, and whether anything is there."""

import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


def refusal(host: str, *, mine: bool) -> str | None:
    """Why no load goes to `host`, in one line; None when it may."""
    parts = urlsplit(host)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{host!r} is no host: it is written http://127.0.0.1:8000"
    if parts.hostname not in LOCAL and not mine:
        return f"{parts.hostname} is not this machine: load goes elsewhere only with --target-is-mine"
    return None


def absence(host: str, timeout: float = 3.0) -> str | None:
    """Why `host` cannot be measured now, in one line; None when it says that it is ready."""
    request = urllib.request.Request(f"{host.rstrip('/')}/ready")  # noqa: S310 - refusal() saw the scheme
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        return f"{host} is not ready: {_reason(error)}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"nothing answers at {host}: {getattr(reason, 'strerror', None) or reason}"


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        detail = json.loads(error.read(65536)).get("detail")
    except (ValueError, AttributeError, OSError):
        detail = None
    return f"{error.code} {detail or error.reason}"
