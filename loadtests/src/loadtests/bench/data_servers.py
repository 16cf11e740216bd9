"""The data services that are compared, and the requests that are made of them."""

import http.client
import json
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt

from loadtests.bench import environment, nginx, valkey
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.identity import Issuer
from loadtests.bench.request import Request, ask, write_requests

PEERS = Path(__file__).parent / "peers"
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


@dataclass(frozen=True, slots=True)
class Data:
    """What stands around the servers: the database as `data_stage.py` describes it, keys, Valkey."""

    database: Mapping[str, Any]
    issuer: Issuer
    folder: Path
    redis_password: str
    keys_port: int
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def answers(self, port: int, path: str) -> bool:
        try:
            return ask(port, Request("GET", path))[0] == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def redis(self, prefix: str) -> dict[str, str]:
        return {
            f"{prefix}_REDIS_URL": f"unix://{valkey.path(self.folder)}",
            f"{prefix}_REDIS_PASSWORD": self.redis_password,
        }


@dataclass(frozen=True, slots=True)
class Server:
    """`bearer` makes the header of one caller; `ready` is a path that answers 200 without it."""

    title: str
    command: Callable[[int], list[str]]
    environment: Callable[[Data, int], Mapping[str, str]]
    bearer: Callable[[Data, int], Mapping[str, str]]
    ready: str = "/health"


def _items(cached: bool) -> Callable[[Data, int], Mapping[str, str]]:
    return lambda data, port: {
        "ITEMS_PORT": str(port),
        "ITEMS_WORKERS": "1",
        "ITEMS_ENVIRONMENT": "production",
        "ITEMS_LOG_FORMAT": "json",
        "ITEMS_DATABASE_URL": data.database["url"],
        "ITEMS_DATABASE_PASSWORD": data.database["password"],
        "ITEMS_JWKS_URL": f"http://127.0.0.1:{data.keys_port}{nginx.JWKS_PATH}",
        "ITEMS_READ_CACHE_SIZE": "10000" if cached else "0",
        **data.redis("ITEMS"),
    }


def _es256(data: Data, subject: int) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {data.issuer.token(subject)}"}


def _hs256(data: Data, subject: int) -> Mapping[str, str]:
    token = jwt.encode({"sub": str(subject), "exp": 4_000_000_000}, data.secret, "HS256")
    return {"Authorization": f"Bearer {token}"}


def _uvicorn(module: str, *options: str) -> Callable[[int], list[str]]:
    def command(port: int) -> list[str]:
        python = [str(environment.data_python()), "-m", "uvicorn", f"{module}:app", "--app-dir", str(PEERS)]
        where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        return [*python, *where, "--loop", "uvloop", "--http", "httptools", *options]

    return command


def _peer(data: Data, _: int) -> Mapping[str, str]:
    return {
        "PEER_DATABASE_URL": data.database["plain"],
        "PEER_SECRET": data.secret,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


OURS: Final = [str(environment.OURS), "-m", "items"]
SERVERS: Final = {
    "facet": Server("Facet", lambda _: OURS, _items(True), _es256),
    "facet-uncached": Server("Facet, no read cache", lambda _: OURS, _items(False), _es256),
    "template": Server("the usual template's design", _uvicorn("usual_data_service"), _peer, _hs256, "/docs"),
    "bare": Server(
        "asyncpg + orjson (the limit)",
        _uvicorn("bare_data_service", "--no-access-log"),
        _peer,
        lambda *_: {},
        "/items/1",
    ),
}


@dataclass(frozen=True, slots=True)
class Case:
    """`servers` begins with the one that is ours. `requests` are made anew for each server."""

    title: str
    servers: Sequence[str]
    requests: Callable[[int], list[Request]]
    good: int = HTTPStatus.OK

    def script(self, server: Server, data: Data, path: Path) -> None:
        """Writes what wrk asks: all callers in turn."""
        callers = [server.bearer(data, subject) for subject in range(1, CALLERS + 1)]
        requests = self.requests(int(data.database["rows"]))
        write_requests(path, [one.of(callers[place % CALLERS]) for place, one in enumerate(requests)])

    def check(self, server: Server, port: int, data: Data) -> None:
        """Raises BenchFailed when the first answer is not a good one, or its listings have other fields."""
        one = self.requests(int(data.database["rows"]))[0]
        status, body = ask(port, one.of(server.bearer(data, 1)))
        if status != self.good or not has_fields(body):
            raise BenchFailed(f"{server.title}: {status} {body[:200]!r} to {one.method} {one.path}")


def has_fields(body: bytes) -> bool:
    """Whether each listing has all fields and no other. The usual template wraps a page in `data`."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    found = found.get("data", found) if isinstance(found, dict) else found
    listings = found if isinstance(found, list) else [found]
    return bool(listings) and all(isinstance(one, dict) and one.keys() == FIELDS for one in listings)


def _reads(among: int | None) -> Callable[[int], list[Request]]:
    def requests(rows: int) -> list[Request]:
        draw = random.Random(1)  # noqa: S311 - the same listings for each server, no secret
        most = min(rows, among or rows)
        return [Request("GET", f"/items/{draw.randint(1, most)}") for _ in range(REQUESTS)]

    return requests


def _page(**query: str) -> Callable[[int], list[Request]]:
    path = "/items?" + urlencode({"limit": "20", **query})
    return lambda _: [Request("GET", path)] * REQUESTS


def _creates(_: int) -> list[Request]:
    return [Request("POST", "/items", json.dumps(NEW), {"Content-Type": "application/json"})] * REQUESTS


ALL: Final = ("facet", "template", "bare")
CASES: Final = {
    "read": Case("one listing by id, not cached", ("facet-uncached", "template", "bare"), _reads(None)),
    "cached": Case("one listing by id, of 100 that are read often", ALL, _reads(HOT)),
    "page": Case("a page of 20, the newest first", ALL, _page()),
    "filtered": Case("a page of 20 of one cut", ALL, _page(cut="Ideal")),
    "create": Case("a new listing", ALL, _creates, HTTPStatus.CREATED),
}
