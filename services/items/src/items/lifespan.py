"""What a worker holds while it runs, made in this order and given up in the reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from items.appraiser import Appraiser
from items.settings import ItemsSettings
from shared.database import Database
from shared.health import Check
from shared.http import service_client
from shared.identity import Revocations, TokenVerifier, remote_identity


class Resources(TypedDict):
    database: Database
    appraiser: Appraiser
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: ItemsSettings) -> AsyncIterator[Resources]:
    """ml-predict is no condition of being ready: without it listings are read and changed as ever, and only
    an appraisal says that it cannot be had. If it were one, its failure would take the listings down too.
    """
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        identity = await stack.enter_async_context(remote_identity(settings))
        ml_predict = await stack.enter_async_context(
            service_client(settings.ml_predict_url, timeout=settings.appraisal_timeout)
        )
        yield {
            "database": database,
            "appraiser": Appraiser(ml_predict, settings.appraisal_timeout),
            "verifier": identity.verifier,
            "revocations": identity.revocations,
            "checks": [Check("postgres", database.ping), *identity.checks],
        }
