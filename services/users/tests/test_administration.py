"""What administrators may do."""

import asyncio
from functools import partial

import pytest
from redis.exceptions import RedisError

from shared.pages import Page
from shared.redis import request_client
from shared.testing.pages import pages
from users.exceptions import LastAdmin
from users.factory import Factory
from users.schemas import UserChange
from users.tables import users

ROUTES = [
    *(("GET", "/users"), ("GET", "/users/1"), ("PATCH", "/users/1"), ("DELETE", "/users/1")),
    ("GET", "/audit-events"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nobody_administers_without_a_token(client, method, path):
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_missing")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_a_plain_user_is_no_administrator(person, method, path):
    answer = await person.ask(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_an_administrators_key_is_no_administrator(admin, method, path):
    answer = await (await admin.with_key()).ask(method, path)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")


async def test_an_admin_token_of_a_plain_account_is_refused(admin, alter):
    """Demoted behind everybody's back: the account decides, not the scope of an older token."""
    await alter(users, admin.id, is_admin=False)
    answer = await admin.ask("GET", "/users")
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_only")


async def test_accounts_are_listed_by_id_with_their_total(admin, people):
    for _ in range(3):
        await people.sign_up()
    everyone = await admin.ask("GET", "/users?limit=100")
    assert everyone.status_code == 200
    ids = [user["id"] for user in everyone.json()]
    assert ids == sorted(ids)
    total = int(everyone.headers["X-Total-Count"])
    assert total >= 4
    last = await admin.ask("GET", f"/users?skip={total - 2}&limit=2")
    assert [user["id"] for user in last.json()][-1] > max(ids[:1])
    assert len(last.json()) == 2
    beyond = await admin.ask("GET", f"/users?skip={total}")
    assert (beyond.json(), beyond.headers["X-Total-Count"]) == ([], str(total))
    assert "password" not in everyone.text


async def test_accounts_that_come_meanwhile_are_on_a_later_page_and_none_is_twice(admin, people):
    seen = []
    async for page in pages(partial(admin.ask, "GET"), "/users?limit=5"):
        if not seen:
            late = await people.sign_up()
        seen += [user["id"] for user in page.json()]
    assert seen == sorted(set(seen))
    assert {admin.id, late.id} <= set(seen)


@pytest.mark.parametrize(
    "query",
    [
        "cursor=",
        "cursor=x",
        "cursor=a%00",
        "cursor=" + "A" * 301,
        "skip=-1",
        "limit=0",
        "limit=101",
        "skip=x",
        f"skip={2**70}",
        "skip=1.5",
        "limit=",
        "skip=%00",
    ],
)
async def test_a_page_that_cannot_be_is_422(admin, query):
    assert (await admin.ask("GET", f"/users?{query}")).status_code == 422


@pytest.mark.parametrize("user_id", ["0", "-1", str(2**63), str(2**70), "x", "1.5", "%00", "1%20or%201"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_id_that_cannot_be_is_422(admin, method, user_id):
    assert (await admin.ask(method, f"/users/{user_id}", json={})).status_code == 422


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_id_is_404(admin, method):
    answer = await admin.ask(method, f"/users/{2**63 - 1}", json={"name": "Grace"})
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")


async def test_an_account_can_be_read(admin, person):
    answer = await admin.ask("GET", f"/users/{person.id}")
    assert (answer.status_code, answer.json()["email"]) == (200, person.email)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"is_active": None},
        {"name": None},
        {"is_active": None, "is_admin": "yes"},
        {"is_active": 0},
        {"is_admin": "false"},
        {"email": "a@example.com"},
        {"password": "another password"},
        {"name": ""},
        [],
    ],
)
async def test_a_change_that_is_not_right_is_422(admin, person, change):
    assert (await admin.ask("PATCH", f"/users/{person.id}", json=change)).status_code == 422


async def test_an_account_can_be_renamed(admin, person):
    answer = await admin.ask("PATCH", f"/users/{person.id}", json={"name": "Grace"})
    assert (answer.json()["name"], answer.json()["is_active"]) == ("Grace", True)
    assert (await person.ask("GET", "/users/me")).json()["name"] == "Grace"


async def test_deactivation_ends_sessions_and_disables_keys_at_once(admin, person, refused):
    other, key, with_key = await person.again(), await person.make_key(), await person.with_key()
    answer = await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": False})
    assert (answer.status_code, answer.json()["is_active"]) == (200, False)
    for one in (person, other, with_key):
        await refused(one)
    assert (await other.refresh()).status_code == 401
    assert (await person.sign_in()).status_code == 401
    assert (await person.exchange(key["key"])).json()["code"] == "invalid_api_key"


async def test_without_redis_nothing_is_taken_away(settings, database, person, closed_port):
    """Nobody could be told, so that tokens would go on to be good."""
    gone = settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{closed_port}/0"})
    async with request_client(gone) as redis:
        administration = Factory(gone, database, redis).administration()
        for wanted in (UserChange(is_active=False), UserChange(is_admin=False)):
            with pytest.raises(RedisError):
                await administration.change(person.id, wanted)
        with pytest.raises(RedisError):
            await administration.remove(person.id, person.id)
    assert (await person.ask("GET", "/users/me")).json()["is_active"] is True
    assert (await person.refresh()).status_code == 200


async def test_deactivation_is_told_to_all_services(admin, person, redis):
    key = await person.make_key()
    await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": False})
    assert await redis.zscore("identity:ended", f"key-{key['id']}") is not None


async def test_a_reactivated_account_can_sign_in_and_use_its_keys(admin, person):
    key = await person.make_key()
    for active in (False, False, True):
        answer = await admin.ask("PATCH", f"/users/{person.id}", json={"is_active": active})
        assert (answer.status_code, answer.json()["is_active"]) == (200, active)
    assert (await person.refresh()).status_code == 401, "the old sessions stay over"
    assert (await person.sign_in()).status_code == 200
    with_key = person._with(await person.exchange(key["key"]))
    assert (await with_key.ask("GET", "/users/me")).status_code == 200, "its old tokens alone are refused"


async def test_an_administrator_can_make_another(admin, person):
    await admin.ask("PATCH", f"/users/{person.id}", json={"is_admin": True})
    assert (await person.ask("GET", "/users")).status_code == 403, "not with a token from before"
    person.tokens = (await person.refresh()).json()
    assert (await person.ask("GET", "/users")).status_code == 200


async def test_a_demoted_administrators_tokens_are_refused_at_once(admin, people, refused):
    other = await people.admin()
    answer = await admin.ask("PATCH", f"/users/{other.id}", json={"is_admin": False})
    assert answer.json()["is_admin"] is False
    await refused(other)
    assert (await (await other.again()).ask("GET", "/users")).status_code == 403


async def test_an_account_can_be_removed(admin, person, refused):
    assert (await admin.ask("DELETE", f"/users/{person.id}")).status_code == 204
    assert (await admin.ask("DELETE", f"/users/{person.id}")).status_code == 404
    await refused(person)
    assert (await person.sign_in()).status_code == 401


@pytest.fixture
async def only_admins(store, people, admins):
    """Makes that many administrators and demotes all others."""

    async def make(number):
        made = [await people.admin() for _ in range(number)]
        async with store.transaction() as tx:
            everyone = await tx.users.page(Page(limit=1_000_000))
        for user in everyone.rows:
            if user.is_admin and user.id not in {one.id for one in made}:
                await admins.change(user.id, UserChange(is_admin=False))
        return made

    return make


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("PATCH", "/users/{id}", {"json": {"is_active": False}}),
        ("PATCH", "/users/{id}", {"json": {"is_admin": False}}),
        ("DELETE", "/users/{id}", {}),
        ("DELETE", "/users/me", {}),
    ],
)
async def test_the_last_administrator_stays(only_admins, method, path, options):
    [last] = await only_admins(1)
    answer = await last.ask(method, path.format(id=last.id), **options)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await last.ask("GET", "/users")).status_code == 200


async def test_an_inactive_administrator_does_not_count(only_admins, store):
    last, inactive = await only_admins(2)
    assert (await last.ask("PATCH", f"/users/{inactive.id}", json={"is_active": False})).status_code == 200
    answer = await last.ask("PATCH", f"/users/{last.id}", json={"is_admin": False})
    assert answer.status_code == 409
    assert (await last.ask("PATCH", f"/users/{inactive.id}", json={"is_admin": False})).status_code == 200


async def test_administrators_cannot_demote_each_other_at_once(only_admins, admins):
    made = await only_admins(4)
    demote = UserChange(is_admin=False)
    done = await asyncio.gather(*(admins.change(one.id, demote) for one in made), return_exceptions=True)
    assert [type(one) for one in done].count(LastAdmin) == 1


async def test_administrators_cannot_close_all_their_accounts_at_once(only_admins):
    made = await only_admins(3)
    answers = await asyncio.gather(*(one.ask("DELETE", "/users/me") for one in made))
    assert sorted(answer.status_code for answer in answers) == [204, 204, 409]
