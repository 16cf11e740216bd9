"""The requests that are made of the data services, and what a good answer has."""

import json
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from loadtests.bench.data_servers import Data, Server
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.refreshes import BLOCK, write_refreshes
from loadtests.bench.request import Request, ask, write_requests

CALLERS = 100
REQUESTS = 512  # different ones in turn
HOT = 100  # listings that are read again and again
FIELDS: Final = frozenset(
    ("id", "name", "description", "price", "currency", "features", "owner_id", "created_at", "updated_at")
)
NEW: Final = {
    "name": "Round diamond, 0.71 ct",
    "description": "With a certificate.",
    "price": "2700.00",
    "currency": "USD",
    "features": {"carat": 0.71, "cut": "Ideal", "color": "G", "clarity": "SI1"}
    | {"depth": 61.8, "table": 57.0, "x": 5.74, "y": 5.77, "z": 3.56},
}


def has_fields(found: Any) -> bool:
    """Whether each listing has all fields and no other. The usual template wraps a page in `data`."""
    found = found.get("data", found) if isinstance(found, dict) else found
    listings = found if isinstance(found, list) else [found]
    return bool(listings) and all(isinstance(one, dict) and one.keys() == FIELDS for one in listings)


def has(*members: str) -> Callable[[Any], bool]:
    return lambda found: isinstance(found, dict) and found.keys() >= set(members)


@dataclass(frozen=True, slots=True)
class Case:
    """`servers` begins with the one that is ours. `requests` are made anew for each server.

    `complete` tells whether an answer has what it must have, and so costs what it must cost. One of which few
    fit into a second is measured `longer` times as long.
    """

    title: str
    servers: Sequence[str]
    requests: Callable[[int], list[Request]]
    good: int = HTTPStatus.OK
    complete: Callable[[Any], bool] = has_fields
    longer: int = 1

    def script(self, server: Server, data: Data, path: Path) -> None:
        """Writes what wrk asks: all callers in turn."""
        callers = [server.bearer(data, subject) for subject in range(1, CALLERS + 1)]
        requests = self.requests(int(data.database["rows"]))
        write_requests(path, [one.of(callers[place % CALLERS]) for place, one in enumerate(requests)])

    def check(self, server: Server, port: int, data: Data) -> None:
        """Raises BenchFailed when the first answer is not a good one, or not complete."""
        one = self.requests(int(data.database["rows"]))[0]
        self.require_good(server, port, one.of(server.bearer(data, 1)))

    def require_good(self, server: Server, port: int, one: Request) -> None:
        """Raises BenchFailed."""
        status, body = ask(port, one)
        if status != self.good or not self.complete(_read(body)):
            raise BenchFailed(f"{server.title}: {status} {body[:200]!r} to {one.method} {one.path}")


class RefreshCase(Case):
    """Each token works once: the next request sends the token of an earlier answer."""

    def script(self, server: Server, data: Data, path: Path) -> None:
        tokens = path.with_suffix(".tokens")
        tokens.write_text("\n".join(server.refresh_tokens(data)) + "\n")
        write_refreshes(path, tokens)

    def check(self, server: Server, port: int, data: Data) -> None:
        spare = server.refresh_tokens(data)[-BLOCK:]  # for which no script comes so far
        self.require_good(server, port, _refresh(secrets.choice(spare)))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _some(most: int) -> list[int]:
    draw = random.Random(1)  # noqa: S311 - the same listings for each server, no secret
    return [draw.randint(1, most) for _ in range(REQUESTS)]


def _reads(among: int | None) -> Callable[[int], list[Request]]:
    return lambda rows: [Request("GET", f"/items/{number}") for number in _some(min(rows, among or rows))]


def _page(**query: str) -> Callable[[int], list[Request]]:
    path = "/items?" + urlencode({"limit": "20", **query})
    return lambda _: [Request("GET", path)] * REQUESTS


def _searches(rows: int) -> list[Request]:
    """For a listing by two words of its name."""
    queries = [urlencode({"limit": "20", "q": f"diamond {number}"}) for number in _some(rows)]
    return [Request("GET", f"/items?{query}") for query in queries]


def _creates(_: int) -> list[Request]:
    return [Request("POST", "/items", json.dumps(NEW), {"Content-Type": "application/json"})] * REQUESTS


def _appraisals(rows: int) -> list[Request]:
    """Every fourth listing is no diamond; its neighbour is."""
    return [Request("POST", f"/items/{number - (number % 4 == 0)}/appraisal") for number in _some(rows)]


def _logins(_: int) -> list[Request]:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    people = [f"person{place % CALLERS + 1}@example.com" for place in range(REQUESTS)]
    bodies = [urlencode({"username": one, "password": "correct horse battery staple"}) for one in people]
    return [Request("POST", "/auth/token", body, form) for body in bodies]


def _refresh(token: str) -> Request:
    body = json.dumps({"refresh_token": token})
    return Request("POST", "/auth/refresh", body, {"Content-Type": "application/json"})


def _refreshes(_: int) -> list[Request]:
    """None is known before: a script makes them."""
    return []


ALL: Final = ("facet", "template", "bare")
APPRAISED: Final = has("estimate", "low", "high")
CASES: Final = {
    "read": Case("one listing by id, not cached", ("facet-uncached", "template", "bare"), _reads(None)),
    "cached": Case("one listing by id, of 100 that are read often", ALL, _reads(HOT)),
    "page": Case("a page of 20, the newest first", ALL, _page()),
    "filtered": Case("a page of 20 of one cut", ALL, _page(cut="Ideal")),
    "search": Case("a search for words of one listing", ALL, _searches, longer=4),
    "create": Case("a new listing", ALL, _creates, HTTPStatus.CREATED),
    "appraisal": Case(
        "an appraisal that the model server is asked for",
        ("facet-asking", "template", "bare"),
        _appraisals,
        complete=APPRAISED,
    ),
    "remembered": Case("an appraisal that may be remembered", ALL, _appraisals, complete=APPRAISED),
    "login": Case(
        "a login (Argon2id, the same parameters)",
        ("facet-users", "template", "bare"),
        _logins,
        complete=has("access_token"),
        longer=4,
    ),
    "refresh": RefreshCase(
        "a refresh; the template's tokens are signed and not stored",
        ("facet-users", "template", "bare"),
        _refreshes,
        complete=has("access_token", "refresh_token"),
    ),
}
