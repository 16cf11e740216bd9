"""What the service needs while it runs: opens resources in order, closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from items.appraisals import AppraisalService
from items.appraiser import Appraiser
from items.domain import Item
from items.factory import CHANGED, Factory
from items.imports import ImportService
from items.service import ItemService
from items.settings import ItemsSettings
from shared.database import Database
from shared.health import Check
from shared.http import service_client
from shared.identity import TokenVerifier
from shared.identity.remote import remote_identity
from shared.identity.revocations import Revocations
from shared.read_cache import Changes, ReadCache
from shared.redis import request_client, subscriber_client


class Resources(TypedDict):
    items: ItemService
    imports: ImportService
    appraisals: AppraisalService
    verifier: TokenVerifier
    revocations: Revocations
    checks: list[Check]


@asynccontextmanager
async def resources(settings: ItemsSettings) -> AsyncIterator[Resources]:
    """Readiness does not depend on ml-predict: without it listings work, and only appraisals answer 503."""
    async with AsyncExitStack() as stack:
        database = Database(settings.for_the_rest, settings.service)
        stack.push_async_callback(database.close)
        searches = Database(settings.for_searches, f"{settings.service} searches")
        stack.push_async_callback(searches.close)
        identity = await stack.enter_async_context(remote_identity(settings))
        ml_predict = await stack.enter_async_context(
            service_client(settings.ml_predict_url, timeout=settings.appraisal_timeout)
        )
        factory = Factory(database, searches)
        idempotency = factory.idempotency(settings.idempotency_hours)
        await stack.enter_async_context(idempotency.forgetting())
        imports = factory.imports(settings.import_hours)
        await stack.enter_async_context(imports.forgetting())
        appraiser = Appraiser(ml_predict, settings.appraisal_timeout)
        appraisals = factory.appraisals(appraiser, settings.appraisal_hours)
        await stack.enter_async_context(appraisals.forgetting())
        yield Resources(
            items=factory.items(idempotency, await stack.enter_async_context(_read_cache(settings))),
            imports=imports,
            appraisals=appraisals,
            verifier=identity.verifier,
            revocations=identity.revocations,
            checks=[Check("postgres", database.ping), *identity.checks],
        )


@asynccontextmanager
async def _read_cache(settings: ItemsSettings) -> AsyncIterator[ReadCache[Item]]:
    """Redis need not be there: without it every read asks the database."""
    size, seconds = settings.read_cache_size, settings.read_cache_seconds
    async with request_client(settings) as publisher, subscriber_client(settings) as subscriber:
        cache: ReadCache[Item] = ReadCache(
            Changes(publisher, CHANGED), subscriber, size=size, seconds=seconds
        )
        async with cache.listening():
            yield cache
