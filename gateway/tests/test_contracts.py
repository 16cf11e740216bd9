"""What the gateway relies on: the exchange of API keys, and the signing keys, as `users` promises them."""

import httpx2
import pytest
from pydantic import SecretStr

from gateway.api_keys import ApiKeys
from gateway.exceptions import ApiKeyInvalid
from gateway.upstreams import Upstream
from shared.identity.keys import RemoteKeys
from shared.testing import served
from shared.testing.contracts import Contracts, Played

EXCHANGE = "gateway--users"


async def test_a_key_is_exchanged_as_agreed(contracts: Contracts) -> None:
    agreed = contracts.http(EXCHANGE)["a key becomes a token"]
    played = Played(agreed)
    async with served(played) as users:
        pool = Upstream("users", [users.url])
        token = await ApiKeys({"users": pool}, SecretStr("internal"), size=10).token_for("fk_key")
        await pool.close()
    assert token == agreed.answer["access_token"]
    assert played.as_agreed
    headers = played.asked[0][3]
    assert (headers["x-api-key"], headers["x-internal-secret"]) == ("fk_key", "internal")


async def test_a_refused_key_is_understood(contracts: Contracts) -> None:
    played = Played(contracts.http(EXCHANGE)["a key that is not valid"])
    async with served(played) as users:
        pool = Upstream("users", [users.url])
        with pytest.raises(ApiKeyInvalid):
            await ApiKeys({"users": pool}, SecretStr("internal"), size=10).token_for("fk_key")
        await pool.close()
    assert played.as_agreed


async def test_the_published_keys_are_understood(contracts: Contracts) -> None:
    agreed = contracts.http("everybody--users")["the signing keys"]
    played = Played(agreed)
    [key] = agreed.answer["keys"]
    async with served(played) as users, httpx2.AsyncClient(trust_env=False) as client:
        keys = RemoteKeys(f"{users.url}{agreed.path}", client)
        found = await keys.find(key["kid"])
    assert found is not None
    assert found.algorithm_name == key["alg"]
    assert played.as_agreed


def test_every_case_of_the_contract_is_tried(contracts: Contracts) -> None:
    assert len(contracts.http(EXCHANGE)) == 2
