"""The service really served, on a database of its own."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest_asyncio

from shared.testing import LiveApp, TestIdentity, served
from widgets.main import create_app
from widgets.migrations import FOLDER
from widgets.settings import WidgetsSettings


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def live(
    make_database: Callable[..., dict[str, Any]], redis_settings: dict[str, Any], identity: TestIdentity
) -> AsyncIterator[LiveApp]:
    given = {**make_database("widgets", FOLDER), **redis_settings, "jwks_url": identity.jwks_url}
    async with served(create_app(WidgetsSettings(**given))) as running:
        yield running
