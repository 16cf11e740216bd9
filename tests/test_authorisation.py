"""Who may do what: every route of every service with every kind of caller. A new route needs a row."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import ec

import items.main
import items.routes
import items.settings
import ml_predict.main
import ml_predict.routes
import ml_predict.settings
import users.main
import users.routes
from gateway.route_table import load_routes
from gateway.settings import DEFAULT_ROUTES
from shared.database import Database
from shared.redis import request_client
from shared.testing import served
from users.domain import TokenPair
from users.factory import Factory
from users.keys import private_pem
from users.migrations import FOLDER
from users.passwords import Passwords
from users.settings import UsersSettings

PASSWORD = "correct horse battery staple"
INTERNAL = "known-to-users-and-gateway"
CALLERS = ("anonymous", "other", "owner", "admin", "deactivated", "key", "reading_key")

# By caller, in the order of CALLERS. `other` has an account and owns nothing here; `deactivated` was owner;
# `key` and `reading_key` are tokens of the owner's API keys, the second with only the scope `read`.
ROWS = {
    "POST /auth/token": "200 200 200 200 401 200 200",
    "POST /auth/refresh": "200 200 200 200 401 200 200",
    "POST /auth/logout": "401 204 204 204 204 403 403",
    "POST /auth/password/forgotten": "202 202 202 202 202 202 202",
    "POST /auth/password/reset": "422 422 422 422 422 422 422",
    "POST /auth/email/verification": "202 202 202 202 202 202 202",
    "POST /auth/email/confirm": "422 422 422 422 422 422 422",
    "GET /.well-known/jwks.json": "200 200 200 200 200 200 200",
    "POST /users": "201 201 201 201 201 201 201",
    "GET /users/me": "401 200 200 200 401 200 200",
    "PATCH /users/me": "401 200 200 200 401 403 403",
    "DELETE /users/me": "401 204 204 204 401 403 403",
    "POST /users/me/email": "401 202 202 202 401 403 403",
    "GET /users/me/sessions": "401 200 200 200 401 403 403",
    "DELETE /users/me/sessions": "401 204 204 204 401 403 403",
    "DELETE /users/me/sessions/{session_id}": "401 404 204 404 401 403 403",
    "POST /users/me/api-keys": "401 201 201 201 401 403 403",
    "GET /users/me/api-keys": "401 200 200 200 401 200 200",
    "DELETE /users/me/api-keys/{key_id}": "401 404 204 404 401 403 403",
    "GET /users": "401 403 403 200 401 403 403",
    "GET /users/{user_id}": "401 403 403 200 401 403 403",
    "PATCH /users/{user_id}": "401 403 403 200 401 403 403",
    "DELETE /users/{user_id}": "401 403 403 204 401 403 403",
    "GET /audit-events": "401 403 403 200 401 403 403",
    "POST /internal/api-keys/exchange": "404 404 404 404 404 404 404",
    "GET /items": "200 200 200 200 200 200 200",
    "POST /items": "401 201 201 201 401 201 403",
    "GET /items/{item_id}": "200 200 200 200 200 200 200",
    "PATCH /items/{item_id}": "401 403 200 200 401 200 403",
    "DELETE /items/{item_id}": "401 403 204 204 401 204 403",
    "POST /items/imports/{import_id}": "401 200 200 200 401 200 403",
    "GET /items/imports/{import_id}": "401 404 200 404 401 200 200",
    "GET /items/imports/{import_id}/errors": "401 404 200 404 401 200 200",
    "GET /items/exports/mine": "401 200 200 200 401 200 200",
    "POST /appraisals": "401 200 200 200 401 200 403",
    "POST /items/{item_id}/appraisal": "401 200 200 200 401 200 403",
    "POST /predict": "401 200 200 200 401 200 403",
    "POST /predict/{model}": "401 200 200 200 401 200 403",
    "GET /v2/health/live": "200 200 200 200 200 200 200",
    "GET /v2/health/ready": "200 200 200 200 200 200 200",
    "GET /v2": "401 200 200 200 401 200 200",
    "POST /v2/repository/index": "401 200 200 200 401 200 403",
    "GET /v2/models/{model}": "401 200 200 200 401 200 200",
    "GET /v2/models/{model}/ready": "401 200 200 200 401 200 200",
    "GET /v2/models/{model}/versions/{version}": "401 200 200 200 401 200 200",
    "GET /v2/models/{model}/versions/{version}/ready": "401 200 200 200 401 200 200",
    "POST /v2/models/{model}/infer": "401 200 200 200 401 200 403",
    "POST /v2/models/{model}/versions/{version}/infer": "401 200 200 200 401 200 403",
    "POST /v2/repository/models/{model}/load": "401 403 403 200 401 403 403",
    "POST /v2/repository/models/{model}/unload": "401 403 403 409 401 403 403",
    "GET /v2/repository/models/{model}/traffic": "401 403 403 200 401 403 403",
    "PUT /v2/repository/models/{model}/traffic": "401 403 403 200 401 403 403",
}
DIAMOND = {
    "carat": 0.71,
    "cut": "Ideal",
    "color": "G",
    "clarity": "SI1",
    "depth": 61.8,
    "table": 57.0,
    "x": 5.74,
    "y": 5.77,
    "z": 3.56,
}
MODEL = {"model": "diamond-price", "version": "1"}
ROW = [0.7, 4, 3, 3, 61.8, 57.0, 5.7, 5.7, 3.5]
TENSOR = {"name": "features", "datatype": "FP32", "shape": [1, 9], "data": ROW}
# Something that only needs a token that is good, and changes nothing.
PROBES = {"users": ("GET", "/users/me"), "items": ("PATCH", f"/items/{2**40}"), "ml": ("POST", "/predict")}
ROUTERS = {"users": users.routes.ROUTERS, "items": items.routes.ROUTERS, "ml": ml_predict.routes.ROUTERS}


def table() -> dict[str, str]:
    """`GET /items` → the service that has it, from the services' own routers."""
    return {
        f"{method} {route.path}": service
        for service, routers in ROUTERS.items()
        for router in routers
        for route in router.routes
        for method in route.methods  # type: ignore[attr-defined]  # all are API routes
    }


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(ROWS) == set(table())
    assert all(len(row.split()) == len(CALLERS) for row in ROWS.values())


UPSTREAMS = {"users": "users", "items": "items", "ml": "ml-predict"}


@pytest.mark.parametrize("route", [route for route in ROWS if "/internal/" not in route])
def test_the_gateway_opens_each_route_to_those_who_may_use_it(route: str) -> None:
    """Paths in its table are exact, so a route without a line there is 404."""
    method, path = route.split()
    found = load_routes(DEFAULT_ROUTES, set(UPSTREAMS.values())).match(method, path)
    assert found is not None
    assert (found.path, found.upstream) == (path, UPSTREAMS[table()[route]])
    by_caller = dict(zip(CALLERS, ROWS[route].split(), strict=True))
    admins_only = by_caller["owner"] == "403" and by_caller["admin"] != "403"
    everyone = "role:admin" if admins_only else "required"
    assert found.auth == (everyone if by_caller["anonymous"] == "401" else "public")


@dataclass
class Account:
    id: int
    email: str
    tokens: TokenPair
    path: dict[str, Any] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.access_token}"}


@dataclass
class World:
    """The three services, really served, and people who use them."""

    clients: dict[str, httpx2.AsyncClient]
    factory: Factory
    password_hash: str
    eventually: Callable[..., Awaitable[None]]

    async def ask(self, service: str, method: str, path: str, **options: Any) -> httpx2.Response:
        return await self.clients[service].request(method, path, **options)

    async def sign_up(self, **columns: Any) -> Account:
        """Not by the routes: two passwords would be hashed each time."""
        email = f"{secrets.token_hex(8)}@example.com"
        async with self.factory.store.transaction() as tx:
            user = await tx.users.add(email, "Ada", self.password_hash)
            user = await tx.users.update(user.id, columns) or user
            tokens, _ = await self.factory.sessions().start(tx, user, "")
        return Account(user.id, email, tokens)

    async def admin(self) -> Account:
        return await self.sign_up(is_admin=True)

    async def owner(self, route: str) -> Account:
        """Somebody who has one of everything that this route names."""
        made = await self.sign_up()
        ask = {"headers": made.headers}
        made.path = {"user_id": made.id, "import_id": "an-import"}
        if "{key_id}" in route:
            key = await self.ask("users", "POST", "/users/me/api-keys", json={"name": "spare"}, **ask)
            made.path["key_id"] = key.json()["id"]
        if "{item_id}" in route or route == "POST /appraisals":
            wanted = {"name": "Round", "price": "2700.00", "features": DIAMOND}
            item = await self.ask("items", "POST", "/items", json=wanted, **ask)
            made.path["item_id"] = item.json()["id"]
        if "{import_id}" in route:
            await self.ask("items", "POST", "/items/imports/an-import", content=b"", **ask)
        if "{session_id}" in route:
            [session] = (await self.ask("users", "GET", "/users/me/sessions", **ask)).json()
            made.path["session_id"] = session["id"]
        return made

    async def headers(self, caller: str, owner: Account, service: str) -> dict[str, str]:
        match caller:
            case "anonymous":
                return {}
            case "other":
                return (await self.sign_up()).headers
            case "admin":
                return (await self.admin()).headers
            case "deactivated":
                await self._deactivate(owner, service)
            case "key":
                return await self._key(owner, ["read", "write"])
            case "reading_key":
                return await self._key(owner, ["read"])
        return owner.headers

    async def _key(self, owner: Account, scopes: list[str]) -> dict[str, str]:
        wanted = {"name": "script", "scopes": scopes}
        made = await self.ask("users", "POST", "/users/me/api-keys", json=wanted, headers=owner.headers)
        given = {"X-API-Key": made.json()["key"], "X-Internal-Secret": INTERNAL}
        exchanged = await self.ask("users", "POST", "/internal/api-keys/exchange", headers=given)
        return {"Authorization": f"Bearer {exchanged.json()['access_token']}"}

    async def _deactivate(self, owner: Account, service: str) -> None:
        """Until the service has heard of it, which is told by push."""
        admin = await self.admin()
        path = f"/users/{owner.id}"
        await self.ask("users", "PATCH", path, json={"is_active": False}, headers=admin.headers)
        method, path = PROBES[service]

        async def status() -> int:
            return (await self.ask(service, method, path, json={}, headers=owner.headers)).status_code

        await self.eventually(status, 401)


def account(email: str) -> dict[str, str]:
    return {"email": email, "name": "Ada", "password": PASSWORD}


def body(route: str, owner: Account) -> dict[str, Any]:
    """What makes a request of this route right, whoever sends it."""
    new = f"{secrets.token_hex(8)}@example.com"
    bodies: dict[str, dict[str, Any]] = {
        "POST /auth/token": {"data": {"username": owner.email, "password": PASSWORD}},
        "POST /auth/refresh": {"json": {"refresh_token": owner.tokens.refresh_token}},
        "POST /auth/password/forgotten": {"json": {"email": new}},
        "POST /auth/password/reset": {"json": {"token": "invented", "password": PASSWORD}},
        "POST /auth/email/verification": {"json": {"email": new}},
        "POST /auth/email/confirm": {"json": {"token": "invented"}},
        "POST /users": {"json": account(new)},
        "PATCH /users/me": {"json": {"name": "Grace"}},
        "POST /users/me/email": {"json": {"email": new, "current_password": PASSWORD}},
        "POST /users/me/api-keys": {"json": {"name": "another"}},
        "PATCH /users/{user_id}": {"json": {"name": "Grace"}},
        "POST /items": {"json": {"name": "Round", "price": "1.00"}},
        "PATCH /items/{item_id}": {"json": {"name": "Oval"}},
        "POST /appraisals": {"json": {"item_ids": [owner.path.get("item_id")]}},
        "POST /predict": {"json": {"instances": [DIAMOND]}},
        "POST /predict/{model}": {"json": {"instances": [DIAMOND]}},
        "POST /v2/models/{model}/infer": {"json": {"inputs": [TENSOR]}},
        "POST /v2/models/{model}/versions/{version}/infer": {"json": {"inputs": [TENSOR]}},
        "PUT /v2/repository/models/{model}/traffic": {"json": {"default": "1"}},
    }
    return bodies.get(route, {})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    make_database: Callable[..., dict[str, Any]],
    redis_settings: dict[str, Any],
    eventually: Callable[..., Awaitable[None]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    own = UsersSettings(
        signing_key=private_pem(ec.generate_private_key(ec.SECP256R1())),  # type: ignore[arg-type]  # pydantic wraps it
        internal_secret=INTERNAL,  # type: ignore[arg-type]  # pydantic wraps it
        address_attempts=1_000_000,
        mail="console",
        **make_database("users_matrix", FOLDER),
        **redis_settings,
    )
    migrations = Path(items.__file__).parent / "migrations"
    async with AsyncExitStack() as stack:
        cheap = stack.enter_context(pytest.MonkeyPatch.context())
        cheap.setattr("users.passwords.MEMORY_KIB", 1024)  # what a hash costs changes nobody's rights
        database = Database(own, "matrix")
        stack.push_async_callback(database.close)
        redis = await stack.enter_async_context(request_client(own))
        # Redis is that of all tests: keys of these numbers were not ended there, and nobody else has them.
        own_numbers = sa.text("ALTER TABLE api_keys ALTER COLUMN id RESTART WITH 1000000")
        await database.autocommit.execute(own_numbers)
        live = await stack.enter_async_context(served(users.main.create_app(own)))
        remote = {**redis_settings, "jwks_url": f"{live.url}/.well-known/jwks.json"}
        state = tmp_path_factory.mktemp("models") / "serving.json"
        ml = ml_predict.main.create_app(ml_predict.settings.MlPredictSettings(**remote, state_file=state))
        pricing = await stack.enter_async_context(served(ml))
        listed = items.settings.ItemsSettings(
            **make_database("items_matrix", migrations), **remote, ml_predict_url=pricing.url
        )
        listing = await stack.enter_async_context(served(items.main.create_app(listed)))
        clients = {"users": live.client, "items": listing.client, "ml": pricing.client}
        factory = Factory(own, database, redis)
        factory.ring.update([])
        passwords = Passwords(1, 1, 10.0)
        stack.callback(passwords.close)
        world = World(clients, factory, await passwords.hash(PASSWORD), eventually)
        await world.admin()  # so that no other one is ever the last
        yield world


@pytest.mark.parametrize("route", sorted(ROWS))
async def test_each_caller_may_do_what_the_row_says(world: World, route: str) -> None:
    service, (method, path) = table()[route], route.split(" ")
    found = {}
    for caller in CALLERS:
        owner = await world.owner(route)
        headers = await world.headers(caller, owner, service)
        options = body(route, owner)
        answer = await world.ask(
            service, method, path.format(**owner.path, **MODEL), headers=headers, **options
        )
        found[caller] = answer.status_code
    assert found == dict(zip(CALLERS, map(int, ROWS[route].split()), strict=True))
