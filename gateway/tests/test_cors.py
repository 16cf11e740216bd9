"""CORS: exact origins and no others, on errors too."""

import pytest
import pytest_asyncio

from shared.testing import LiveApp

SHOP = "https://shop.example"
OTHERS = [
    "https://evil.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://sub.shop.example",
    "null",
    "",
]


@pytest_asyncio.fixture
async def shop(make_door) -> LiveApp:
    return await make_door(cors_origins=(SHOP, "http://localhost:3000"))


def cors_fields(response) -> list[str]:
    return [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", [SHOP, "http://localhost:3000"])
async def test_a_known_origin_may_read_with_credentials(shop: LiveApp, items, answer, origin: str) -> None:
    items.answer = answer(b"[]", b"HTTP/1.1 200 OK\r\nX-Total-Count: 7\r\nVary: Accept\r\n")
    response = await shop.client.get("/items", headers={"Origin": origin})
    assert response.headers["access-control-allow-origin"] == origin
    assert response.headers["access-control-allow-credentials"] == "true"
    exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
    assert {"X-Total-Count", "X-Request-ID", "Retry-After", "Location"} <= exposed
    assert {"Accept", "Origin"} <= {name.strip() for name in response.headers["vary"].split(",")}


async def test_no_other_origin_may(shop: LiveApp) -> None:
    for origin in OTHERS:
        response = await shop.client.get("/items", headers={"Origin": origin})
        assert response.status_code == 200
        assert "access-control-allow-origin" not in response.headers


async def test_what_has_no_origin_still_varies_by_it(shop: LiveApp) -> None:
    """Or a shared cache would give a page an answer without the permission to read it."""
    for headers in ({}, {"Origin": "https://evil.example"}):
        response = await shop.client.get("/items", headers=headers)
        assert "Origin" in response.headers["vary"]


async def test_errors_can_be_read_too(shop: LiveApp, items) -> None:
    async def script(peer) -> None:
        await peer.request()
        await peer.send(b"garbage\r\n\r\n")

    items.script = script
    asked = {
        ("GET", "/mine"): 401,
        ("GET", "/nothing"): 404,
        ("GET", "/items//"): 400,
        ("POST", "/read"): 405,
        ("GET", "/items"): 502,
    }
    for (method, path), status in asked.items():
        response = await shop.client.request(method, path, headers={"Origin": SHOP})
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == SHOP
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]


def preflight(
    origin: str, method: str = "PATCH", fields: str = "authorization, content-type"
) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": fields,
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_of_a_known_origin_is_answered_here(shop: LiveApp, items, method: str) -> None:
    fields = "authorization,content-type,x-api-key,x-request-id,traceparent"
    response = await shop.client.options("/mine", headers=preflight(SHOP, method, fields))
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == SHOP
    assert response.headers["access-control-allow-credentials"] == "true"
    assert method in response.headers["access-control-allow-methods"]
    assert "Origin" in response.headers["vary"]
    assert items.requests == []


async def test_a_preflight_of_another_origin_is_refused(shop: LiveApp, items) -> None:
    for origin in OTHERS:
        response = await shop.client.options("/mine", headers=preflight(origin))
        assert response.status_code == 400
        assert "access-control-allow-origin" not in response.headers
    assert items.requests == []


@pytest.mark.parametrize(
    "asked", [preflight(SHOP, "TRACE"), preflight(SHOP, fields="x-user-id"), preflight(SHOP, "BREW")]
)
async def test_a_preflight_for_more_than_is_allowed_is_refused(shop: LiveApp, asked) -> None:
    assert (await shop.client.options("/mine", headers=asked)).status_code == 400


async def test_an_upstreams_own_cors_does_not_come_through(shop: LiveApp, items, answer) -> None:
    items.answer = answer(b"", b"HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\n")
    response = await shop.client.get("/items", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in response.headers


async def test_without_allowed_origins_there_is_no_cors_at_all(make_door) -> None:
    door = await make_door(cors_origins=())
    for response in (
        await door.client.get("/items", headers={"Origin": SHOP}),
        await door.client.get("/mine", headers={"Origin": SHOP}),
        await door.client.options("/items", headers=preflight(SHOP)),
    ):
        assert cors_fields(response) == []
    assert response.status_code == 405
