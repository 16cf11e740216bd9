"""What the service needs while it runs: opens resources in order, closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from items.appraiser import Appraiser
from items.factory import Factory
from items.service import AppraisalService, ItemService
from items.settings import ItemsSettings
from shared.database import Database
from shared.health import Check
from shared.http import service_client
from shared.identity import TokenVerifier
from shared.identity.remote import remote_identity
from shared.identity.revocations import Revocations


class Resources(TypedDict):
    items: ItemService
    appraisals: AppraisalService
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: ItemsSettings) -> AsyncIterator[Resources]:
    """Readiness does not depend on ml-predict: without it listings work, and only appraisals answer 503."""
    async with AsyncExitStack() as stack:
        database = Database(settings, settings.service)
        stack.push_async_callback(database.close)
        identity = await stack.enter_async_context(remote_identity(settings))
        ml_predict = await stack.enter_async_context(
            service_client(settings.ml_predict_url, timeout=settings.appraisal_timeout)
        )
        factory = Factory(database)
        idempotency = factory.idempotency(settings.idempotency_hours)
        await stack.enter_async_context(idempotency.forgetting())
        yield Resources(
            items=factory.items(idempotency),
            appraisals=factory.appraisals(Appraiser(ml_predict, settings.appraisal_timeout)),
            verifier=identity.verifier,
            revocations=identity.revocations,
            checks=[Check("postgres", database.ping), *identity.checks],
        )
