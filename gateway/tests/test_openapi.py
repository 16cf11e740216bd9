"""One document for all services, merged from real ones; and the page that shows it."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from fastapi import Depends, FastAPI
from pydantic import BaseModel, create_model

from gateway.openapi import merged_openapi
from gateway.route_table import load_routes
from gateway.settings import DEFAULT_ROUTES
from shared.identity.dependencies import oauth2
from shared.testing import LiveApp, served


class Stone(BaseModel):
    carat: float


class Account(BaseModel):
    email: str


def user_app() -> FastAPI:
    app = FastAPI(title="users")
    item = create_model("Entry", email=(str, ...))
    page = create_model("Page", entries=(list[item], ...))

    @app.post("/users")
    async def register(account: Account) -> item: ...

    @app.get("/users", dependencies=[Depends(oauth2)])
    async def browse() -> page: ...

    @app.get("/users/me", dependencies=[Depends(oauth2)])
    async def read() -> item: ...

    @app.post("/internal/api-keys/exchange")
    async def exchange() -> create_model("ExchangeSecret", token=(str, ...)): ...

    return app


def item_app() -> FastAPI:
    """Its `Entry` differs from the users', and so does its `Page`, though it reads the same."""
    app = FastAPI(title="items")
    item = create_model("Entry", name=(str, ...), stone=(Stone, ...))
    page = create_model("Page", entries=(list[item], ...))

    @app.get("/items")
    async def browse() -> page: ...

    @app.get("/items/{item_id}")
    async def read(item_id: int) -> item: ...

    @app.post("/items", dependencies=[Depends(oauth2)])
    async def create(wanted: item) -> item: ...

    @app.put("/items/{item_id}")
    async def replace(item_id: int) -> item: ...

    @app.get("/itemsx")
    async def lookalike() -> item: ...

    return app


def predict_app() -> FastAPI:
    app = FastAPI(title="ml-predict")

    @app.post("/predict")
    async def predict(stone: Stone) -> float: ...

    @app.post("/users")
    async def not_mine() -> None: ...

    return app


@pytest_asyncio.fixture(scope="module")
async def services() -> AsyncIterator[dict[str, str]]:
    async with contextlib.AsyncExitStack() as stack:
        made = {"users": user_app(), "items": item_app(), "ml_predict": predict_app()}
        yield {
            f"{name}_url": (await stack.enter_async_context(served(app))).url for name, app in made.items()
        }


@pytest_asyncio.fixture
async def shipped(make_door, services) -> LiveApp:
    return await make_door(**services, routes_file=DEFAULT_ROUTES)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for entry in node:
            yield from references(entry)


def resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def answered(document: dict[str, Any], path: str, method: str = "get") -> dict[str, Any]:
    """The schema of an operation's success."""
    responses = document["paths"][path][method]["responses"]
    content = next(value for status, value in responses.items() if status.startswith("2"))["content"]
    return resolve(document, content["application/json"]["schema"])


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


async def test_the_document_holds_what_the_table_lets_through_and_the_gateways_own(shipped: LiveApp) -> None:
    document = (await shipped.client.get("/openapi.json")).json()
    assert set(operations(document)) == {
        ("get", "/health"),
        ("get", "/ready"),
        ("post", "/users"),
        ("get", "/users"),
        ("get", "/users/me"),
        ("get", "/items"),
        ("get", "/items/{item_id}"),
        ("post", "/items"),
        ("post", "/predict"),
    }
    assert operations(document)["post", "/users"]["tags"] == ["users"]


async def test_schemas_of_one_name_and_two_meanings_are_told_apart(shipped: LiveApp) -> None:
    document = (await shipped.client.get("/openapi.json")).json()
    assert list(references(document))
    for reference in references(document):
        assert resolve(document, {"$ref": reference})
    assert set(answered(document, "/users/me")["properties"]) == {"email"}
    assert set(answered(document, "/items/{item_id}")["properties"]) == {"name", "stone"}
    for path, fields in (("/users", {"email"}), ("/items", {"name", "stone"})):
        entries = answered(document, path)["properties"]["entries"]["items"]
        assert set(resolve(document, entries)["properties"]) == fields


async def test_schemas_that_mean_the_same_stay_one(shipped: LiveApp) -> None:
    schemas = (await shipped.client.get("/openapi.json")).json()["components"]["schemas"]
    assert [name for name in schemas if "Stone" in name] == ["Stone"]
    assert [name for name in schemas if "ValidationError" in name].count("HTTPValidationError") == 1


async def test_what_only_private_operations_use_is_not_shown(shipped: LiveApp) -> None:
    text = (await shipped.client.get("/openapi.json")).text
    assert "ExchangeSecret" not in text
    assert "internal" not in text.replace("internal_error", "")


async def test_each_operation_says_how_to_get_in(shipped: LiveApp) -> None:
    document = (await shipped.client.get("/openapi.json")).json()
    found = operations(document)
    locked = [{"OAuth2PasswordBearer": []}, {"ApiKey": []}]
    for private in (("get", "/users/me"), ("get", "/users"), ("post", "/items")):
        assert found[private]["security"] == locked
    assert found["post", "/predict"]["security"] == [{"ApiKey": []}]
    for public in (("post", "/users"), ("get", "/items"), ("get", "/items/{item_id}"), ("get", "/health")):
        assert "security" not in found[public]
    schemes = document["components"]["securitySchemes"]
    assert schemes["ApiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["OAuth2PasswordBearer"]["flows"]["password"]["tokenUrl"] == "/auth/token"


async def test_operation_ids_are_unique(shipped: LiveApp) -> None:
    document = (await shipped.client.get("/openapi.json")).json()
    ids = [operation["operationId"] for operation in operations(document).values()]
    assert len(ids) == len(set(ids))


async def test_asking_twice_gives_the_same(shipped: LiveApp) -> None:
    first, second = [(await shipped.client.get("/openapi.json")).json() for _ in range(2)]
    assert first == second


async def test_an_upstream_that_is_down_is_named_and_the_others_are_shown(
    make_door, services, unused_tcp_port: int
) -> None:
    down = {**services, "items_url": f"http://127.0.0.1:{unused_tcp_port}"}
    door = await make_door(**down, routes_file=DEFAULT_ROUTES)
    response = await door.client.get("/openapi.json")
    assert response.status_code == 200
    document = response.json()
    assert document["info"]["description"].endswith("\n\nNot answering now: items.")
    assert "/users/me" in document["paths"]
    assert "/items" not in document["paths"]
    assert str(unused_tcp_port) not in response.text


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"1", b"{}", b'{"paths": []}'])
async def test_an_upstream_that_sends_something_else_counts_as_down(
    make_door, services, upstreams, answer, body: bytes
) -> None:
    upstreams.items.answer = answer(body)
    door = await make_door(**{**services, "items_url": upstreams.items.url}, routes_file=DEFAULT_ROUTES)
    response = await door.client.get("/openapi.json")
    assert response.status_code == 200
    assert response.json()["info"]["description"].endswith("\n\nNot answering now: items.")


async def test_upstreams_are_asked_once_a_second_however_often_the_document_is_read(
    make_door, services, upstreams, answer
) -> None:
    upstreams.items.answer = answer(b'{"paths": {}}')
    door = await make_door(**{**services, "items_url": upstreams.items.url}, routes_file=DEFAULT_ROUTES)
    started = time.monotonic()
    answers = await asyncio.gather(*(door.client.get("/openapi.json") for _ in range(50)))
    elapsed = time.monotonic() - started
    assert len({answer.content for answer in answers}) == 1
    assert len(upstreams.items.requests) <= 1 + elapsed


async def test_an_optional_route_shows_that_nobody_may_come_too(tmp_path) -> None:
    table = tmp_path / "routes.toml"
    table.write_text(
        '[[route]]\nprefix="/a"\nmethods=["GET"]\nupstream="items"\nauth="optional"\ntimeout=1.0\nbody_limit=1\n'
    )
    own = {"info": {"title": "Facet"}, "paths": {}}
    fetched = {"items": {"paths": {"/a": {"get": {"responses": {}}}}}}
    document = merged_openapi(own, fetched, load_routes(table, {"items"}))
    assert document["paths"]["/a"]["get"]["security"] == [{}, {"ApiKey": []}]
    assert own == {"info": {"title": "Facet"}, "paths": {}}


async def test_a_discriminators_mapping_is_renamed_with_its_schemas(tmp_path) -> None:
    ref = "#/components/schemas/Cut"
    document = {
        "paths": {
            "/a": {"get": {"responses": {"200": {"schema": {"discriminator": {"mapping": {"c": ref}}}}}}}
        },
        "components": {"schemas": {"Cut": {"type": "string"}}},
    }
    own = {
        "info": {},
        "paths": {"/own": {"get": {"x": {"$ref": ref}}}},
        "components": {"schemas": {"Cut": {"type": "integer"}}},
    }
    table = tmp_path / "routes.toml"
    table.write_text(
        '[[route]]\nprefix="/a"\nmethods=["GET"]\nupstream="items"\nauth="public"\ntimeout=1.0\nbody_limit=1\n'
    )
    merged = merged_openapi(own, {"items": document}, load_routes(table, {"items"}))
    mapping = merged["paths"]["/a"]["get"]["responses"]["200"]["schema"]["discriminator"]["mapping"]
    assert mapping == {"c": "#/components/schemas/items-Cut"}
    assert merged["components"]["schemas"] == {"Cut": {"type": "integer"}, "items-Cut": {"type": "string"}}


async def test_the_page_and_what_it_needs_come_from_here_alone(door: LiveApp) -> None:
    page = await door.client.get("/docs")
    assert page.status_code == 200
    assert not re.findall(r"(?:https?:)?//[a-z]", page.text.replace("window.location", ""))
    assert "default-src 'self'" in page.headers["content-security-policy"]
    needed = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(needed) == 3
    for asset in needed:
        response = await door.client.get(asset)
        assert response.status_code == 200
        assert len(response.content) > 100
    assert "/openapi.json" in page.text
    assert (await door.client.get("/docs/oauth2-redirect")).status_code == 200


async def test_the_first_page_is_the_documentation(door: LiveApp) -> None:
    response = await door.client.get("/")
    assert response.status_code == 307
    assert response.headers["location"] == "/docs"


@pytest.mark.parametrize("path", ["/docs/assets/missing.js", "/docs/assets", "/docs/assets/%2E%2E/main.py"])
async def test_no_other_file_is_served(door: LiveApp, path: str) -> None:
    response = await door.client.get(path)
    assert response.status_code in {400, 404}
    assert response.headers["content-type"] == "application/problem+json"


async def test_in_production_there_is_no_documentation(make_door) -> None:
    door = await make_door(environment="production")
    for path in (
        "/",
        "/docs",
        "/openapi.json",
        "/docs/oauth2-redirect",
        "/docs/assets/swagger-ui.css",
        "/redoc",
    ):
        assert (await door.client.get(path)).status_code == 404
    assert (await door.client.get("/health")).status_code == 200
