"""ETag, If-None-Match and If-Match of a listing."""

import asyncio

import httpx2
import pytest

from shared.testing import LiveApp

from .conftest import Create

OTHER = '"AAAAAAAAAAAAAAAA"'


async def test_whoever_makes_a_listing_need_not_read_it_to_change_it(alice: httpx2.AsyncClient) -> None:
    made = await alice.post("/items", json={"name": "A stone", "price": "100"})
    path, tag = made.headers["Location"], made.headers["ETag"]
    assert (await alice.get(path, headers={"If-None-Match": tag})).status_code == 304
    changed = await alice.patch(path, json={"name": "other"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert (await alice.delete(path, headers={"If-Match": tag})).status_code == 412


async def test_what_is_known_already_is_not_sent_again(live: LiveApp, create: Create) -> None:
    path = f"/items/{(await create())['id']}"
    first = await live.client.get(path)
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "public, no-cache"
    again = await live.client.get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    assert again.headers["Cache-Control"] == "public, no-cache"
    assert "Content-Type" not in again.headers


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("{tag}", 304),
        ("W/{tag}", 304),
        (f"{OTHER}, {{tag}}", 304),
        (f"{OTHER},,  ,W/{{tag}} ,", 304),
        ('"with,commas", {tag}', 304),
        ('"with a space", {tag}', 200),
        ("*", 304),
        (OTHER, 200),
        ('"*"', 200),
        ("", 200),
        ("{tag} {tag}", 200),
        ("w/{tag}", 200),
        ('"{tag}', 200),
        ("*, {tag}", 200),
        ("nonsense", 200),
        ('"' + "," * 5000, 200),
        ('"a" ' + " " * 5000 + "x", 200),
    ],
)
async def test_if_none_match(live: LiveApp, create: Create, header: str, status: int) -> None:
    path = f"/items/{(await create())['id']}"
    tag = (await live.client.get(path)).headers["ETag"]
    answer = await live.client.get(path, headers={"If-None-Match": header.replace("{tag}", tag)})
    assert answer.status_code == status
    head = await live.client.head(path, headers={"If-None-Match": header.replace("{tag}", tag)})
    assert (head.status_code, head.content) == (status, b"")


async def test_several_lines_are_one_list(live: LiveApp, create: Create) -> None:
    path = f"/items/{(await create())['id']}"
    tag = (await live.client.get(path)).headers["ETag"]
    lines = [("If-None-Match", OTHER), ("If-None-Match", tag)]
    assert (await live.client.get(path, headers=lines)).status_code == 304


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("{tag}", 200, None),
        (f"{OTHER}, {{tag}}", 200, None),
        ("*", 200, None),
        (OTHER, 412, "precondition_failed"),
        ("W/{tag}", 412, "precondition_failed"),
        ('"*"', 412, "precondition_failed"),
        ("", 400, "malformed_condition"),
        ("nonsense", 400, "malformed_condition"),
        ("{tag}x", 400, "malformed_condition"),
        ("*, *", 400, "malformed_condition"),
    ],
)
async def test_if_match(
    alice: httpx2.AsyncClient, create: Create, header: str, status: int, code: str | None
) -> None:
    path = f"/items/{(await create())['id']}"
    before = await alice.get(path)
    headers = {"If-Match": header.replace("{tag}", before.headers["ETag"])}
    changed = await alice.patch(path, json={"name": "another"}, headers=headers)
    assert (changed.status_code, changed.json().get("code")) == (status, code)
    after = await alice.get(path)
    assert after.headers["ETag"] == (changed if status == 200 else before).headers["ETag"]
    assert (after.json() == before.json()) == (status != 200)


async def test_of_two_who_have_seen_the_same_one_loses(alice: httpx2.AsyncClient, create: Create) -> None:
    """The condition holds under the row's lock, so no update is lost."""
    path = f"/items/{(await create())['id']}"
    headers = {"If-Match": (await alice.get(path)).headers["ETag"]}
    changes = [alice.patch(path, json={"name": f"change {number}"}, headers=headers) for number in range(8)]
    answers = await asyncio.gather(*changes)
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7
    [won] = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await alice.get(path)).json() == won


async def test_a_listing_that_was_changed_is_not_deleted(alice: httpx2.AsyncClient, create: Create) -> None:
    path = f"/items/{(await create())['id']}"
    seen = (await alice.get(path)).headers["ETag"]
    now = (await alice.patch(path, json={"price": "7"})).headers["ETag"]
    assert (await alice.delete(path, headers={"If-Match": seen})).status_code == 412
    assert (await alice.delete(path, headers={"If-Match": now})).status_code == 204
    assert (await alice.delete(path, headers={"If-Match": "*"})).status_code == 404


async def test_who_may_not_change_it_learns_nothing_from_a_condition(
    bob: httpx2.AsyncClient, live: LiveApp, create: Create
) -> None:
    path = f"/items/{(await create())['id']}"
    assert (await bob.patch(path, json={"name": "x"}, headers={"If-Match": OTHER})).status_code == 403
    assert (await live.client.patch(path, json={"name": "x"}, headers={"If-Match": "*"})).status_code == 401


async def test_a_write_with_a_condition_that_cannot_be_read_is_400_and_changes_nothing(
    alice: httpx2.AsyncClient, create: Create
) -> None:
    path = f"/items/{(await create())['id']}"
    for name in ("If-Match", "If-None-Match"):
        answer = await alice.delete(path, headers={name: "nonsense"})
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_condition")
    assert (await alice.get(path)).status_code == 200


async def test_a_write_only_if_there_is_nothing_never_happens(
    alice: httpx2.AsyncClient, create: Create
) -> None:
    path = f"/items/{(await create())['id']}"
    assert (await alice.patch(path, json={"name": "x"}, headers={"If-None-Match": "*"})).status_code == 412
