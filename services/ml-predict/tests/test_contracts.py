"""What `ml-predict` promises to `items`: its answers, and its events."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ml_predict.events import STREAM, DefaultChanged
from ml_predict.settings import MlPredictSettings
from shared.events import Event
from shared.events.event import decode
from shared.redis import stream_client
from shared.testing import LiveApp, TestIdentity
from shared.testing.contracts import Contracts, misfits

CASES = ["a price", "prices of a page", "a token that is not valid", "features that cannot be priced"]


@pytest.mark.parametrize("name", CASES)
async def test_items_is_answered_as_agreed(
    contracts: Contracts, live: LiveApp, identity: TestIdentity, name: str
) -> None:
    agreed = contracts.http("items--ml-predict")[name]
    lifetime = {"token": 900, "wrong token": -900}[agreed.credential or ""]
    headers = identity.headers(7, lifetime=lifetime)
    answer = await live.client.request(agreed.method, agreed.path, json=agreed.body, headers=headers)
    assert answer.status_code == agreed.status
    assert misfits(agreed.answer, answer.json()) == []
    if answer.status_code >= 400:
        assert answer.json()["code"] == agreed.answer["code"]


def test_every_case_of_the_contract_is_tried(contracts: Contracts) -> None:
    assert list(contracts.http("items--ml-predict")) == CASES


def test_there_is_an_example_of_every_event_and_it_has_exactly_the_members_that_are_told(
    contracts: Contracts,
) -> None:
    [(name, example)] = contracts.events("model.").items()
    assert name == f"{DefaultChanged.kind}.{DefaultChanged.version}"
    assert DefaultChanged.model_validate(example.data).model_dump(mode="json") == example.data


async def test_what_stands_in_the_stream_is_as_the_example_says(
    contracts: Contracts, live: LiveApp, settings: MlPredictSettings, eventually: Callable[..., Any]
) -> None:
    async with stream_client(settings) as redis:

        async def told() -> list[Event]:
            events = [decode(fields) for _, fields in await redis.xrange(STREAM)]
            return [event for event in events if event.data["model"] == settings.model_name][:1]

        await eventually(lambda: any_of(told), True)
        [sent] = [event.model_dump(mode="json") for event in await told()]
    example = contracts.event("model.default_changed").model_dump(mode="json")
    first = {**sent, "data": {**sent["data"], "previous": "1"}}  # none, for the first
    assert misfits(example, first, "event") == []
    assert misfits(first, example, "event") == []


async def any_of(found: Callable[[], Awaitable[list[Event]]]) -> bool:
    return bool(await found())
