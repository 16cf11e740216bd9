"""What the gateway serves, what it forwards, and what it knows nothing of."""

import pytest

from shared.testing import LiveApp


async def test_an_unknown_path_is_a_problem_and_reaches_nobody(door: LiveApp, items, users) -> None:
    for path in ("/nothing", "/itemsx", "/item", "/items.json", "/internal/api-keys/exchange", "/metrics"):
        response = await door.client.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["instance"] == path
        assert response.json()["request_id"] == response.headers["x-request-id"]
    assert items.requests == users.requests == []


async def test_another_method_is_405_and_says_which_are_allowed(door: LiveApp, items) -> None:
    response = await door.client.post("/read")
    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD"
    assert response.json()["code"] == "method_not_allowed"
    assert (await door.client.delete("/read/write")).headers["allow"] == "GET, HEAD, POST"
    assert items.requests == []


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PROPFIND"])
async def test_a_method_no_table_can_name_is_405(door: LiveApp, items, method: str) -> None:
    assert (await door.client.request(method, "/items")).status_code == 405
    assert items.requests == []


async def test_the_method_chooses_between_rows_and_so_who_may(door: LiveApp, items) -> None:
    assert (await door.client.get("/read/write")).status_code == 200
    assert (await door.client.post("/read/write")).status_code == 401
    assert [request.line for request in items.requests] == [b"GET /read/write HTTP/1.1"]


async def test_a_longer_prefix_has_its_own_rules(door: LiveApp, items) -> None:
    big = b"a" * 2000
    assert (await door.client.post("/items/small", content=big)).status_code == 413
    assert (await door.client.post("/items/smallx", content=big)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready", "/docs", "/openapi.json"])
async def test_own_pages_answer_get_alone(door: LiveApp, path: str) -> None:
    response = await door.client.delete(path)
    assert response.status_code == 405
    assert response.json()["code"] == "method_not_allowed"


async def test_metrics_name_the_route_and_never_the_path(make_door) -> None:
    from prometheus_client import generate_latest  # noqa: PLC0415 - its registry is made when it is imported

    door = await make_door()
    await door.client.get("/items/very-private-name")
    await door.client.delete("/read/very-private-name")
    text = generate_latest().decode()
    assert 'route="/items"' in text
    assert 'route="method_not_allowed"' in text
    assert "very-private-name" not in text
