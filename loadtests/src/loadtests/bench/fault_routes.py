"""What is asked while something fails: routes that need it, and others that do not."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from loadtests.bench.data_cases import NEW
from loadtests.bench.request import Request

CALLERS: Final = 100
HOT: Final = 100  # listings, which stay in the cache


@dataclass(frozen=True, slots=True)
class Route:
    """`rate` is requests a second; all together they keep the core busy for a third to a half of the time,
    because the p99 of a core that is nearly full says more of the machine's pace than of a fault.
    """

    title: str
    method: str
    paths: Sequence[str]
    rate: float = 150.0
    body: str = ""

    def requests(self, tokens: Sequence[str]) -> list[Request]:
        """One of each caller."""
        headers = {"Host": "127.0.0.1"} | ({"Content-Type": "application/json"} if self.body else {})
        return [
            Request(
                self.method,
                self.paths[place % len(self.paths)],
                self.body,
                {**headers, "Authorization": f"Bearer {token}"},
            )
            for place, token in enumerate(tokens)
        ]


@dataclass(frozen=True, slots=True)
class Part:
    """Of the system, which can fail. `affected` need it; the first is asked whether all is well again."""

    title: str
    affected: Sequence[Route]
    others: Sequence[Route]


_HEALTH: Final = Route("the gateway's health", "GET", ["/health"])
_DIAMOND: Final = json.dumps({"instances": [NEW["features"]]})
_PRICE: Final = Route("a price", "POST", ["/predict"], 50.0, _DIAMOND)
_LISTING: Final = Route("a listing that is cached", "GET", [f"/items/{n + 1}" for n in range(HOT)])
_KEYS: Final = Route("the signing keys", "GET", ["/.well-known/jwks.json"])
_PAGES: Final = [f"/items?limit=5&skip={n}" for n in range(HOT)]
_ME: Final = ["/users/me"]
PARTS: Final = {
    "postgres": Part(
        "Postgres",
        [Route("a page", "GET", _PAGES, 30.0), Route("one's own account", "GET", _ME, 30.0)],
        [_HEALTH, _PRICE, _LISTING, _KEYS],
    ),
    "redis": Part(
        "Redis",
        [Route("ending one's other sessions", "DELETE", ["/users/me/sessions"], 30.0)],
        [
            _HEALTH,
            _PRICE,
            Route("a page", "GET", _PAGES, 50.0),
            Route("one's own account", "GET", _ME, 100.0),
        ],
    ),
}
NONE: Final = "none"  # no fault: how much two equal measurements differ
FAULTS: Final = (NONE, "stopped", "slow", "cut")
