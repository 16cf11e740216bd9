"""What `ml-predict` promises to `items`."""

import pytest

from shared.testing import LiveApp, TestIdentity
from shared.testing.contracts import Contracts, misfits

CASES = ["a price", "a token that is not valid", "features that cannot be priced"]


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
