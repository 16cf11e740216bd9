"""Signing keys come from a real publisher, are asked for seldom and survive its absence."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from fastapi import APIRouter

from shared.http import service_client
from shared.identity import RemoteKeys, TokenVerifier
from shared.identity.dependencies import CurrentCaller
from shared.identity.exceptions import KeysUnavailable, TokenInvalid
from shared.testing import TestIdentity, served


class Publisher:
    """Publishes `document` at `url`, counts who asks, and can be told to dither or to leave."""

    def __init__(self) -> None:
        self.identity = TestIdentity()
        self.document: Any = self.identity.jwks
        self.status = 200
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        port = int(self.url.rpartition(":")[2].partition("/")[0]) if self.url else 0
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/jwks.json"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._connections:
                writer.close()
            await self._server.wait_closed()
            self._server = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self.open.wait()
                document = self.document
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                writer.write(
                    b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(body), body)
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()


@pytest_asyncio.fixture(loop_scope="session")
async def publisher() -> AsyncIterator[Publisher]:
    started = Publisher()
    await started.start()
    yield started
    started.open.set()
    await started.stop()


@asynccontextmanager
async def remote(publisher: Publisher, **options: Any) -> AsyncIterator[RemoteKeys]:
    async with service_client("http://unused", timeout=5) as client:
        yield RemoteKeys(publisher.url, client, **{"cooldown": 60.0, **options})


async def test_keys_are_fetched_once_and_kept(publisher: Publisher) -> None:
    async with remote(publisher) as keys:
        for _ in range(5):
            assert await keys.find(publisher.identity.key_id)
        await keys.ping()
    assert publisher.asked == 1


async def test_many_at_once_are_one_fetch(publisher: Publisher) -> None:
    async with remote(publisher) as keys:
        publisher.open.clear()
        waiting = [asyncio.create_task(keys.find(publisher.identity.key_id)) for _ in range(50)]
        await asyncio.sleep(0)
        publisher.open.set()
        assert all(await asyncio.gather(*waiting))
    assert publisher.asked == 1


async def test_random_key_ids_are_no_storm_of_fetches(publisher: Publisher) -> None:
    async with remote(publisher) as keys:
        assert await keys.find(publisher.identity.key_id)
        found = await asyncio.gather(*(keys.find(f"random-{number}") for number in range(200)))
        for number in range(200):
            assert await keys.find(f"one-by-one-{number}") is None
    assert not any(found)
    assert publisher.asked == 1


async def test_whoever_waited_for_a_fetch_does_not_fetch_again(publisher: Publisher) -> None:
    """All wait on one lock; each finds, when its turn comes, that it has just been tried."""
    async with remote(publisher, cooldown=60) as keys:
        publisher.open.clear()
        waiting = [asyncio.create_task(keys.find(f"random-{number}")) for number in range(50)]
        await asyncio.sleep(0)
        publisher.open.set()
        assert not any(await asyncio.gather(*waiting))
    assert publisher.asked == 1


async def test_a_rotated_key_is_picked_up(publisher: Publisher) -> None:
    async with remote(publisher, cooldown=0) as keys:
        verifier = TokenVerifier(keys, "facet", "facet")
        old = publisher.identity
        await verifier.verify(old.token(1))
        new = TestIdentity()
        publisher.document = {"keys": [*new.jwks["keys"], *old.jwks["keys"]]}
        assert (await verifier.verify(new.token(2))).id == 2
        assert (await verifier.verify(old.token(3))).id == 3
        publisher.document = new.jwks
        assert await keys.find("unknown") is None
        with pytest.raises(TokenInvalid):
            await verifier.verify(old.token(4))


async def test_old_keys_are_renewed(publisher: Publisher) -> None:
    async with remote(publisher, max_age=0, cooldown=0) as keys:
        for _ in range(3):
            assert await keys.find(publisher.identity.key_id)
    assert publisher.asked == 3


async def test_a_removed_key_is_dropped_although_nobody_asks_for_keys(
    publisher: Publisher, eventually: Callable[..., Any]
) -> None:
    """Kept tokens alone ask for no key: the renewal must not wait for a new token."""
    async with remote(publisher, max_age=0.02, cooldown=0) as keys, keys.renewing():
        verifier = TokenVerifier(keys, "facet", "facet")
        kept = publisher.identity.token(1)
        await verifier.verify(kept)
        publisher.document = TestIdentity().jwks
        await eventually(lambda: not keys.has(publisher.identity.key_id))
        with pytest.raises(TokenInvalid):
            await verifier.verify(kept)


async def test_renewal_goes_on_while_the_publisher_is_down(
    publisher: Publisher, eventually: Callable[..., Any]
) -> None:
    async with remote(publisher, max_age=0.02, cooldown=0) as keys, keys.renewing():
        await keys.find(publisher.identity.key_id)
        await publisher.stop()
        publisher.document = TestIdentity().jwks
        await publisher.start()
        await eventually(lambda: not keys.has(publisher.identity.key_id))


async def test_keys_outlive_their_publisher(publisher: Publisher) -> None:
    async with remote(publisher, max_age=0, cooldown=0) as keys:
        verifier = TokenVerifier(keys, "facet", "facet")
        await verifier.verify(publisher.identity.token(1))
        await publisher.stop()
        assert (await verifier.verify(publisher.identity.token(2))).id == 2
        await keys.ping()


async def test_a_publisher_that_hangs_holds_up_one_caller_only(
    publisher: Publisher, eventually: Callable[..., Any]
) -> None:
    async with remote(publisher, max_age=0, cooldown=0) as keys:
        key_id = publisher.identity.key_id
        await keys.find(key_id)
        publisher.open.clear()
        held = asyncio.create_task(keys.find(key_id))
        await eventually(lambda: publisher.asked == 2)
        async with asyncio.timeout(5):
            assert await keys.find(key_id)
        assert not held.done()
        publisher.open.set()
        assert await held


MALFORMED: dict[str, Any] = {
    "no JSON": b"<html>",
    "no UTF-8": b'{"keys": "\xff"}',
    "null": None,
    "number": 5,
    "list": [],
    "no keys": {},
    "keys null": {"keys": None},
    "keys a number": {"keys": 5},
    "keys empty": {"keys": []},
    "key a number": {"keys": [5]},
    "key a string": {"keys": ["x"]},
    "key empty": {"keys": [{}]},
    "kind unknown": {"keys": [{"kty": "XX", "kid": "a"}]},
    "coordinates numbers": {"keys": [{"kty": "EC", "crv": "P-256", "x": 1, "y": 2, "kid": "a"}]},
    "coordinates short": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}]},
    "without an id": {"keys": [{k: v for k, v in TestIdentity().jwks["keys"][0].items() if k != "kid"}]},
}


@pytest.mark.parametrize("document", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_answer_is_no_answer(publisher: Publisher, document: Any) -> None:
    async with remote(publisher, cooldown=0) as keys:
        publisher.document = document
        with pytest.raises(KeysUnavailable):
            await keys.find(publisher.identity.key_id)
        publisher.document = publisher.identity.jwks
        assert await keys.find(publisher.identity.key_id)
        publisher.document = document
        assert await keys.find("unknown") is None
        assert await keys.find(publisher.identity.key_id)


async def test_an_error_of_the_publisher_is_no_answer(publisher: Publisher) -> None:
    async with remote(publisher, cooldown=0) as keys:
        publisher.status = 500
        with pytest.raises(KeysUnavailable):
            await keys.ping()
        publisher.status = 200
        await keys.ping()


async def test_a_good_key_among_bad_ones_counts(publisher: Publisher) -> None:
    publisher.document = {"keys": [{"kty": "XX", "kid": "a"}, *publisher.identity.jwks["keys"]]}
    async with remote(publisher) as keys:
        assert await keys.find(publisher.identity.key_id)


async def test_without_a_publisher_tokens_are_503_until_it_comes(
    publisher: Publisher, make_app: Callable[..., Any]
) -> None:
    router = APIRouter()

    @router.get("/caller")
    async def read_caller(caller: CurrentCaller) -> int:
        return caller.id

    await publisher.stop()
    async with remote(publisher, cooldown=0) as keys:
        verifier = TokenVerifier(keys, "facet", "facet")
        async with served(make_app(router, verifier=verifier)) as live:
            headers = publisher.identity.headers(5)
            early = await live.client.get("/caller", headers=headers)
            assert (early.status_code, early.json()["code"]) == (503, "keys_unavailable")
            assert early.headers["retry-after"]
            await publisher.start()
            assert (await live.client.get("/caller", headers=headers)).json() == 5
