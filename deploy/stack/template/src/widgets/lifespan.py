"""What the service needs while it runs: opens resources in order, closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from shared.database import Database
from shared.health import Check
from shared.identity import TokenVerifier
from shared.identity.remote import remote_identity
from shared.identity.revocations import Revocations
from widgets.factory import Factory
from widgets.service import WidgetService
from widgets.settings import WidgetsSettings


class Resources(TypedDict):
    widgets: WidgetService
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: WidgetsSettings) -> AsyncIterator[Resources]:
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        identity = await stack.enter_async_context(remote_identity(settings))
        yield Resources(
            widgets=Factory(database).widgets(),
            verifier=identity.verifier,
            revocations=identity.revocations,
            checks=[Check("postgres", database.ping), *identity.checks],
        )
