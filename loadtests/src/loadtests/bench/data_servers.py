"""The data services that are compared."""

import http.client
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import jwt

from loadtests.bench import environment, nginx, valkey
from loadtests.bench.identity import Issuer
from loadtests.bench.refreshes import BLOCK, RUNS
from loadtests.bench.request import Request, ask

PEERS = Path(__file__).parent / "peers"
PRICE: Final = {"estimate": 2829.62, "low": 2490.4, "high": 3214}
PRICED: Final = {"model": {"name": "diamond-price", "version": "1"}, "predictions": [PRICE]}
BY_CANARY: Final = {"canary": True} | PRICED  # which is never remembered


@dataclass(frozen=True, slots=True)
class Data:
    """What stands around the servers: the database as `data_stage.py` describes it, keys, Valkey."""

    database: Mapping[str, Any]
    issuer: Issuer
    folder: Path
    redis_password: str
    keys_port: int
    models_port: int
    canary_port: int
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
    """`bearer` makes the header of one caller; `ready` is a path that answers 200 without it.

    `refresh_tokens` are those that it takes.
    """

    title: str
    command: Callable[[int], list[str]]
    environment: Callable[[Data, int], Mapping[str, str]]
    bearer: Callable[[Data, int], Mapping[str, str]]
    ready: str = "/health"
    refresh_tokens: Callable[[Data], list[str]] = lambda data: data.database["refresh_tokens"]


def _ours(prefix: str, data: Data, port: int, url: str) -> dict[str, str]:
    """What both of our services are given; `url` names that of the database."""
    given = {
        "PORT": str(port),
        "WORKERS": "1",
        "ENVIRONMENT": "production",
        "LOG_FORMAT": "json",
        "DATABASE_URL": data.database[url],
        "DATABASE_PASSWORD": data.database["password"],
    }
    return {f"{prefix}_{name}": value for name, value in given.items()} | dict(data.redis(prefix))


def _items(*, cached: bool, remembers: bool = True) -> Callable[[Data, int], Mapping[str, str]]:
    """`remembers`: the prices are the default version's, and are asked for once."""
    return lambda data, port: {
        **_ours("ITEMS", data, port, "url"),
        "ITEMS_JWKS_URL": f"http://127.0.0.1:{data.keys_port}{nginx.JWKS_PATH}",
        "ITEMS_ML_PREDICT_URL": f"http://127.0.0.1:{data.models_port if remembers else data.canary_port}",
        "ITEMS_READ_CACHE_SIZE": "10000" if cached else "0",
    }


def _users(data: Data, port: int) -> Mapping[str, str]:
    """The limits of failed and of simultaneous sign-ins are out of the way: all come from one address."""
    return {
        **_ours("USERS", data, port, "users_url"),
        "USERS_SIGNING_KEY": data.issuer.private_pem,
        "USERS_INTERNAL_SECRET": data.secret,
        "USERS_ADDRESS_ATTEMPTS": "1000000",
        "USERS_PAIR_ATTEMPTS": "1000000",
        "USERS_HASH_QUEUE": "1000",
        "USERS_HASH_WAIT": "15",
    }


def _es256(data: Data, subject: int) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {data.issuer.token(subject)}"}


def _hs256(data: Data, subject: int) -> Mapping[str, str]:
    token = jwt.encode({"sub": str(subject), "exp": 4_000_000_000}, data.secret, "HS256")
    return {"Authorization": f"Bearer {token}"}


def _signed(data: Data) -> list[str]:
    """Refresh tokens that nobody stores."""
    claims = [{"sub": str(subject % 1000 + 1), "type": "refresh"} for subject in range(BLOCK + 1)]
    made = [jwt.encode(one | {"exp": 4_000_000_000}, data.secret, "HS256") for one in claims]
    return made * RUNS


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
        "PEER_MODELS_PORT": str(data.models_port),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


OURS: Final = [str(environment.OURS), "-m"]
SERVERS: Final = {
    "facet": Server("Facet", lambda _: [*OURS, "items"], _items(cached=True), _es256),
    "facet-uncached": Server(
        "Facet, no read cache", lambda _: [*OURS, "items"], _items(cached=False), _es256
    ),
    "facet-asking": Server("Facet", lambda _: [*OURS, "items"], _items(cached=True, remembers=False), _es256),
    "facet-users": Server("Facet", lambda _: [*OURS, "users"], _users, lambda *_: {}),
    "template": Server(
        "the usual template's design", _uvicorn("usual_data_service"), _peer, _hs256, "/docs", _signed
    ),
    "bare": Server(
        "asyncpg + orjson (the limit)",
        _uvicorn("bare_data_service", "--no-access-log"),
        _peer,
        lambda *_: {},
        "/items/1",
    ),
}
