"""Whoever does not sign tokens judges them by what others publish."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from shared.health import NotReady, readiness
from shared.identity.ended_sessions import publish_end
from shared.identity.exceptions import KeysUnavailable
from shared.identity.remote import remote_identity
from shared.redis import request_client
from shared.settings import RedisSettings, RemoteIdentitySettings
from shared.testing import TestIdentity


async def test_tokens_are_judged_and_ends_are_heard(
    redis_settings: dict[str, Any], identity: TestIdentity, eventually: Callable[..., Any]
) -> None:
    settings = RemoteIdentitySettings(jwks_url=identity.jwks_url, **redis_settings)
    session = secrets.token_hex(8)
    async with remote_identity(settings) as remote:
        assert (await remote.verifier.verify(identity.token(7))).id == 7
        assert set((await readiness(remote.checks)).checks) == {"revocations", "keys"}
        client = request_client(RedisSettings(**redis_settings))
        await publish_end(client, [session], 900)
        await eventually(lambda: session in remote.revocations, seconds=1)
        await client.aclose()


async def test_it_starts_with_nobody_there_and_says_so() -> None:
    settings = RemoteIdentitySettings(
        jwks_url="http://127.0.0.1:9/jwks.json", redis_url="unix:///nowhere", redis_password="x"
    )
    async with remote_identity(settings) as remote:
        with pytest.raises(KeysUnavailable):
            await remote.verifier.verify(TestIdentity().token(7))
        with pytest.raises(NotReady) as failed:
            await readiness(remote.checks)
    assert not any(check["ok"] for check in failed.value.extra["checks"].values())
