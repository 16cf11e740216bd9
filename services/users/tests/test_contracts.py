"""What `users` promises: its events, the exchange of API keys, its signing keys."""

import pytest
from sqlalchemy import text

from shared.events import Event, Fact
from shared.testing.contracts import misfits
from users import events

FACTS = {
    f"{fact.kind}.{fact.version}": fact
    for fact in vars(events).values()
    if isinstance(fact, type) and issubclass(fact, Fact) and hasattr(fact, "kind")
}


def test_there_is_an_example_of_every_event_and_of_no_other(contracts):
    assert set(contracts.events("user.")) == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_what_is_told_has_exactly_the_members_of_the_example(contracts, name):
    example = contracts.events("user.")[name]
    assert FACTS[name].model_validate(example.data).model_dump(mode="json") == example.data


async def test_what_stands_in_the_outbox_is_as_the_example_says(contracts, person, database):
    assert (await person.ask("DELETE", "/users/me")).status_code == 204
    query = text("SELECT * FROM outbox WHERE (data->>'user_id')::bigint = :id")
    async with database.transaction() as connection:
        row = (await connection.execute(query, {"id": person.id})).one()
    sent = Event(**row).model_dump(mode="json")
    example = contracts.event("user.deleted").model_dump(mode="json")
    assert misfits(example, sent, "event") == []
    assert misfits(sent, example, "event") == []


@pytest.mark.parametrize("name", ["a key becomes a token", "a key that is not valid"])
async def test_the_exchange_answers_the_gateway_as_agreed(contracts, client, person, as_gateway, name):
    agreed = contracts.http("gateway--users")[name]
    credentials = {"key": (await person.make_key())["key"], "wrong key": "fk_unknown"}
    headers = {**as_gateway, "X-API-Key": credentials[agreed.credential]}
    answer = await client.request(agreed.method, agreed.path, headers=headers)
    assert answer.status_code == agreed.status
    assert misfits(agreed.answer, answer.json()) == []
    if answer.status_code >= 400:
        assert answer.json()["code"] == agreed.answer["code"]


async def test_the_signing_keys_are_published_as_agreed(contracts, client):
    agreed = contracts.http("everybody--users")["the signing keys"]
    answer = await client.request(agreed.method, agreed.path)
    assert answer.status_code == agreed.status
    assert misfits(agreed.answer, answer.json()) == []
    constant = ("kty", "crv", "use", "alg")
    for key in answer.json()["keys"]:
        assert [key[name] for name in constant] == [agreed.answer["keys"][0][name] for name in constant]
