"""What a person and an administrator do, against the Compose system."""

import io

import pytest

from shared.testing.waiting import eventually
from stack.journey.__main__ import make_journey
from stack.terminal import Terminal
from tests.e2e.system import System

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def test_the_journey_works(healthy: System) -> None:
    """The same journey as `make demo` makes."""
    shown = io.StringIO()
    await make_journey(healthy.gateway, Terminal(shown), sample=10)
    assert "really sold for" in shown.getvalue()


def test_an_administrator_is_made_by_command_and_sees_all_accounts(healthy: System) -> None:
    account = healthy.person()
    assert healthy.answers("/users", headers=healthy.headers(account)) == 403
    healthy.run("users", "python", "-m", "users.admin", "grant", account["email"])
    headers = healthy.headers(account)
    listed = healthy.client.get("/users", params={"limit": 1}, headers=headers)
    assert listed.status_code == 200
    assert int(listed.headers["X-Total-Count"]) >= 1
    assert len(listed.json()) == 1


def test_a_deactivated_account_is_locked_out_at_once(healthy: System) -> None:
    admin, other = healthy.person(), healthy.person()
    healthy.run("users", "python", "-m", "users.admin", "grant", admin["email"])
    others = healthy.headers(other)
    user_id = healthy.client.get("/users/me", headers=others).json()["id"]
    answer = healthy.client.patch(
        f"/users/{user_id}", json={"is_active": False}, headers=healthy.headers(admin)
    )
    assert answer.status_code == 200
    eventually(lambda: healthy.answers("/users/me", headers=others) == 401)


def test_listings_are_hidden_with_their_owners_account_and_end_with_it(healthy: System) -> None:
    admin, other = healthy.person(), healthy.person()
    healthy.run("users", "python", "-m", "users.admin", "grant", admin["email"])
    others, admins = healthy.headers(other), healthy.headers(admin)
    path = healthy.client.post("/items", json={"name": "n", "price": "1"}, headers=others).headers["Location"]
    user = f"/users/{healthy.client.get('/users/me', headers=others).json()['id']}"
    for is_active, expected in ((False, 404), (True, 200)):
        changed = healthy.client.patch(user, json={"is_active": is_active}, headers=admins)
        assert changed.status_code == 200
        eventually(lambda expected=expected: healthy.answers(path) == expected)
    healthy.compose("kill", "items-consumer", "users-relay")
    assert healthy.answers(user, "DELETE", headers=admins) == 204
    healthy.compose("start", "items-consumer", "users-relay")
    eventually(lambda: healthy.answers(path) == 404)


def test_what_an_administrator_decides_about_a_model_outlives_its_server(healthy: System) -> None:
    admin = healthy.person()
    healthy.run("users", "python", "-m", "users.admin", "grant", admin["email"])
    path, headers = "/v2/repository/models/digits/traffic", healthy.headers(admin)
    decided = healthy.client.get(path, headers=headers).json() | {"default": "1"}
    answer = healthy.client.put(path, json=decided, headers=headers)
    assert (answer.status_code, answer.json()) == (200, decided)
    healthy.compose("up", "--force-recreate", "--no-deps", "--wait", "ml-predict")
    eventually(healthy.ready)
    assert healthy.client.get(path, headers=headers).json() == decided


def test_a_restart_keeps_data_and_tokens(healthy: System) -> None:
    headers = healthy.headers()
    listing = {"name": "kept", "price": "10.00"}
    item = healthy.client.post("/items", json=listing, headers=headers).json()
    healthy.compose("down")
    healthy.compose("up", "--wait")
    assert healthy.client.get(f"/items/{item['id']}").json() == item
    assert healthy.answers("/users/me", headers=headers) == 200


def test_a_session_that_was_ended_stays_ended_after_a_restart(healthy: System) -> None:
    headers = healthy.headers()
    assert healthy.answers("/auth/logout", "POST", headers=headers) == 204
    healthy.compose("restart", "redis", "gateway", "users")
    eventually(healthy.ready)
    assert healthy.answers("/users/me", headers=headers) == 401
