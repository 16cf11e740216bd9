"""The listings that the marketplace holds when a load begins, so that no load changes what it measures.

A list's total is counted exactly up to 1,000 listings, so lists become dearer until there are more. A load
adds 20 listings a second: beginning with the sample alone, the same system did a third less after three
minutes, and what was measured later looked slower.
"""

import json
import secrets
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from loadtests.diamonds import load_diamonds
from loadtests.tuner.measuring.journeys import seller
from loadtests.tuner.measuring.processes import Use
from loadtests.tuner.model import RollOutFailed

LISTINGS = 4000  # more than 1,000 also of the cut that the journeys ask for
_TIMEOUT = 120.0  # seconds
_CALM, _PATIENCE = 0.1, 60.0  # CPUs in use, and how many seconds may pass before


def fill(port: int, listings: int = LISTINGS) -> None:
    """By an import, as one seller. Raises RollOutFailed."""
    token, stones = seller(port), load_diamonds()
    lines = [json.dumps(stones[turn % len(stones)].listing()) for turn in range(listings)]
    headers = {"authorization": f"Bearer {token}", "content-type": "application/x-ndjson"}
    connection = HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        path = f"/items/imports/{secrets.token_hex(8)}"
        connection.request("POST", path, "\n".join(lines).encode(), headers)
        answer = connection.getresponse()
        said = answer.read()
        created = json.loads(said)["created"] if answer.status == HTTPStatus.OK else 0
    except (OSError, HTTPException, ValueError, KeyError) as error:
        raise RollOutFailed(f"the import of listings was not answered: {error!r}") from error
    finally:
        connection.close()
    if created != listings:
        raise RollOutFailed(f"of {listings} listings {created} were imported: {said[:200]!r}")


def settle(use: Callable[[], Use], sleep: Callable[[float], None] = time.sleep) -> None:
    """Until what follows an import is done: others hear of each listing. A start would find it undone."""
    ends = time.monotonic() + _PATIENCE
    before = use()
    while time.monotonic() < ends:
        sleep(1.0)
        now = use()
        if now.cpu + now.database - before.cpu - before.database < _CALM:
            return
        before = now
