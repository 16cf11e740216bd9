"""What `items` promises (its events) and relies on (events of `users`, prices of `ml-predict`)."""

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from items import consumer, events
from items.appraiser import Appraiser
from items.factory import Factory
from items.tables import default_model, items, outbox
from shared.database import Database
from shared.events import Event, Fact
from shared.http import service_client
from shared.identity.exceptions import TokenInvalid
from shared.testing import served
from shared.testing.contracts import Contracts, Played, misfits

from .conftest import Create


def facts(module: Any) -> dict[str, type[Fact]]:
    found = [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Fact)]
    return {f"{one.kind}.{one.version}": one for one in found if hasattr(one, "kind")}


OWN = facts(events)
HEARD = {name: fact for name, fact in facts(consumer).items() if name.startswith("user.")}


def test_there_is_an_example_of_every_event_and_of_no_other(contracts: Contracts) -> None:
    assert set(contracts.events("item.")) == set(OWN)


@pytest.mark.parametrize("name", OWN)
def test_what_is_told_has_exactly_the_members_of_the_example(contracts: Contracts, name: str) -> None:
    example = contracts.events("item.")[name]
    assert OWN[name].model_validate(example.data).model_dump(mode="json") == example.data


async def test_what_stands_in_the_outbox_is_as_the_examples_say(
    contracts: Contracts, create: Create, alice: Any, database: Database, diamond: dict[str, Any]
) -> None:
    item = await create(features=diamond)
    await alice.patch(f"/items/{item['id']}", json={"price": "101"})
    await alice.delete(f"/items/{item['id']}")
    query = sa.select(outbox).where(outbox.c.data["item_id"].as_integer() == item["id"])
    async with database.transaction() as connection:
        rows = list(await connection.execute(query))
    assert len(rows) == 3
    for row in rows:
        sent = Event(**row).model_dump(mode="json")
        example = contracts.event(sent["kind"]).model_dump(mode="json")
        assert misfits(example, sent, "event") == []
        assert misfits(sent, example, "event") == []


@pytest.mark.parametrize("name", HEARD)
async def test_every_event_of_users_that_is_heard_has_its_effect(
    contracts: Contracts, database: Database, redis: Redis, name: str
) -> None:
    example = contracts.events("user.")[name]
    factory = Factory(database)
    owner_id = example.data["user_id"]
    async with database.transaction() as connection:
        await connection.execute(sa.text("DELETE FROM owners WHERE id = :id"), {"id": owner_id})
        listing = {"name": "n", "description": "", "price": 1, "currency": "USD", "owner_id": owner_id}
        hidden = example.kind == "user.reactivated"
        await connection.execute(sa.insert(items).values(**listing, hidden=hidden))
    handle = consumer.handlers(factory, redis)[consumer.ACCOUNTS].of(example)
    assert handle is not None
    await handle()
    visible = {"user.deleted": [], "user.deactivated": [True], "user.reactivated": [False]}
    query = sa.select(items.c.hidden).where(items.c.owner_id == owner_id)
    async with database.transaction() as connection:
        assert list(await connection.scalars(query)) == visible[example.kind]
        await connection.execute(sa.delete(items).where(items.c.owner_id == owner_id))


def test_all_that_users_tells_of_accounts_and_ml_predict_of_models_is_heard(contracts: Contracts) -> None:
    assert set(facts(consumer)) == set(contracts.events("user.")) | set(contracts.events("model."))


async def test_a_change_of_the_default_model_has_its_effect(
    contracts: Contracts, database: Database, redis: Redis
) -> None:
    example = contracts.event("model.default_changed")
    async with database.transaction() as connection:
        await connection.execute(sa.delete(default_model))
    handle = consumer.handlers(Factory(database), redis)[consumer.MODELS].of(example)
    assert handle is not None
    await handle()
    async with database.transaction() as connection:
        [row] = await connection.execute(sa.select(default_model))
        await connection.execute(sa.delete(default_model))
    assert (row.name, row.version) == (example.data["model"], example.data["default"])


async def test_nobody_ends_listings_by_the_stream_of_another(
    contracts: Contracts, database: Database, redis: Redis
) -> None:
    of_models = consumer.handlers(Factory(database), redis)[consumer.MODELS]
    assert of_models.of(contracts.event("user.deleted")) is None


@pytest.mark.parametrize(
    ("name", "raised"),
    [
        ("a price", None),
        ("prices of a page", None),
        ("a token that is not valid", TokenInvalid),
        ("features that cannot be priced", None),
    ],
)
async def test_ml_predict_is_asked_as_agreed_and_its_answers_are_understood(
    contracts: Contracts, name: str, raised: type[Exception] | None
) -> None:
    agreed = contracts.http("items--ml-predict")[name]
    played = Played(agreed)
    async with served(played) as live, service_client(live.url, timeout=5) as client:
        asking = Appraiser(client, 5).appraise(dict(enumerate(agreed.body["instances"])), "the-token")
        if raised is None:
            appraised = await asking
            predictions = agreed.answer.get("predictions", [])
            estimates = [Decimal(str(one["estimate"])) for one in predictions]
            assert [one.estimate for one in appraised.appraisals] == estimates
            assert list(appraised.refused) == agreed.answer.get("refused_instances", [])
            name = appraised.model.name if appraised.model else None
            assert name == agreed.answer.get("model", {}).get("name")
            assert appraised.by_canary == agreed.answer.get("canary", False)
        else:
            with pytest.raises(raised):
                await asking
    assert played.as_agreed
    assert played.asked[0][3]["authorization"] == "Bearer the-token"
