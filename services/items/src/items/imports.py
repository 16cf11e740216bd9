"""The rules of imports: lines become listings in batches, each of which is committed with its position."""

import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from typing import Final

from prometheus_client import Counter

from items.domain import Import, WrongLine
from items.events import ItemCreated
from items.exceptions import ImportGap, ImportNotFound, OwnerGone
from items.import_lines import Line, batches
from items.schemas import NewItem
from items.store import Store, Transaction
from shared.background import repeated
from shared.exceptions import require_found
from shared.identity import Caller
from shared.logging import get_logger
from shared.pages import Page, Slice

LOOK: Final = 600.0  # seconds between two looks for expired imports
KEPT: Final = 10_000  # wrong lines of an import that are kept: a long file may have nothing else
LINES: Final = Counter("import_lines_total", "Lines of imports, by what became of them.", ["outcome"])
log = get_logger()


class ImportService:
    """An import belongs to its caller. Lines that it knows already are passed over, so a client that lost an
    answer sends them again; two requests at once share the work."""

    def __init__(self, store: Store, hours: int) -> None:
        self._store = store
        self._lifetime = timedelta(hours=hours)

    async def take(self, import_id: str, first: int, chunks: AsyncIterable[bytes], caller: Caller) -> Import:
        """Takes lines, of which the first has the number `first`. Raises ImportGap or OwnerGone."""
        async with self._store.transaction() as tx:
            known = await tx.imports.lock(caller.id, import_id)
        if first > known.line + 1:
            raise ImportGap(next_line=known.line + 1)
        async for batch in batches(chunks, first, known.line):
            known = await self._commit(import_id, batch, caller)
        log.info("import_taken", line=known.line, created=known.created, failed=known.failed)
        return known

    async def _commit(self, import_id: str, batch: list[Line], caller: Caller) -> Import:
        async with self._store.transaction() as tx:
            await tx.owners.hold(caller.id)
            known = await tx.imports.lock(caller.id, import_id)
            if batch[0][0] > known.line + 1:  # it expired meanwhile
                raise ImportGap(next_line=known.line + 1)
            lines = [line for number, line in batch if number > known.line]
            if not lines:
                return known
            new = [line for line in lines if isinstance(line, NewItem)]
            wrong = [line for line in lines if isinstance(line, WrongLine)]
            await tx.imports.add_wrong(caller.id, import_id, wrong[: max(0, KEPT - known.failed)])
            advanced = Import(import_id, batch[-1][0], known.created + len(new), known.failed + len(wrong))
            await tx.imports.advance(caller.id, advanced)
            await _add(tx, new, caller)
        LINES.labels("created").inc(len(new))
        LINES.labels("failed").inc(len(wrong))
        return advanced

    async def read(self, import_id: str, caller: Caller) -> Import:
        """Raises ImportNotFound."""
        return require_found(
            await self._store.autocommit.imports.by_id(caller.id, import_id), ImportNotFound(import_id)
        )

    async def wrong_lines(self, import_id: str, page: Page, caller: Caller) -> Slice[WrongLine]:
        """Raises ImportNotFound or CursorInvalid."""
        await self.read(import_id, caller)
        return await self._store.autocommit.imports.wrong_lines(caller.id, import_id, page)

    @contextlib.asynccontextmanager
    async def forgetting(self) -> AsyncIterator[None]:
        """Deletes expired imports for as long as the block runs; their listings stay."""
        async with repeated(self.forget, "forget_imports", pause=LOOK):
            yield

    async def forget(self) -> None:
        while await self._store.autocommit.imports.forget(self._lifetime):
            pass


async def _add(tx: Transaction, new: list[NewItem], caller: Caller) -> None:
    if new:
        added = await tx.items.add_many(
            caller.id, [one.model_dump(mode="json", exclude_none=True) for one in new]
        )
        if not added:
            raise OwnerGone
        await tx.outbox.add(*map(ItemCreated.of, added))
