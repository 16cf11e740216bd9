"""Widgets over HTTP."""

import pytest

from shared.testing import LiveApp, TestIdentity

ADA, GRACE = 1, 2


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/widgets"), ("GET", "/widgets"), ("GET", "/widgets/1")]
)
async def test_an_anonymous_caller_is_refused(live: LiveApp, method: str, path: str) -> None:
    answer = await live.client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


async def test_a_widget_is_made_listed_and_read_by_its_owner(live: LiveApp, identity: TestIdentity) -> None:
    headers = identity.headers(ADA)
    made = await live.client.post("/widgets", json={"name": "The first"}, headers=headers)
    assert (made.status_code, made.json()["owner_id"]) == (201, ADA)
    assert (await live.client.get(made.headers["Location"], headers=headers)).json() == made.json()
    listed = await live.client.get("/widgets", headers=headers)
    assert (listed.json()[0], listed.headers["X-Total-Count"]) == (made.json(), "1")


async def test_somebody_elses_widget_looks_missing(live: LiveApp, identity: TestIdentity) -> None:
    made = await live.client.post("/widgets", json={"name": "Mine"}, headers=identity.headers(ADA))
    answer = await live.client.get(made.headers["Location"], headers=identity.headers(GRACE))
    assert (answer.status_code, answer.json()["code"]) == (404, "widget_not_found")
    assert (await live.client.get("/widgets", headers=identity.headers(GRACE))).json() == []


@pytest.mark.parametrize(
    "body", [{}, {"name": " "}, {"name": "n" * 201}, {"name": "a\u0000b"}, {"name": "n", "id": 1}]
)
async def test_a_wrong_body_is_422(live: LiveApp, identity: TestIdentity, body: dict[str, object]) -> None:
    answer = await live.client.post("/widgets", json=body, headers=identity.headers(ADA))
    assert answer.status_code == 422


async def test_it_is_ready_when_its_own_needs_are_met(live: LiveApp) -> None:
    answer = await live.client.get("/ready")
    assert answer.status_code == 200
    assert set(answer.json()["checks"]) == {"postgres", "revocations", "keys"}
