"""A blocking shop without any framework, to try `facet-tune` on: about 3 ms of work and 10 ms of waiting."""

import hashlib
import time
from collections.abc import Callable, Iterable

Start = Callable[[str, list[tuple[str, str]]], object]


def app(environ: dict[str, str], start_response: Start) -> Iterable[bytes]:
    time.sleep(0.01)  # as a database that answers; the worker can do nothing else meanwhile
    digest = hashlib.pbkdf2_hmac("sha256", b"work", environ["PATH_INFO"].encode(), 4000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [digest.hex().encode()]
