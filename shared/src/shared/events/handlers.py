"""Which event is handled by whom: by kind and version, with the data checked first."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError

from shared.context import CURRENT, RequestContext
from shared.events.event import Event, Fact, NotAnEvent

Handler = Callable[[Event, Any], Awaitable[None]]


class Handlers:
    """`Handlers({UserDeleted: end_listings})`: a handler is called with the event and the fact in it."""

    def __init__(self, by_fact: Mapping[type[Fact], Handler]) -> None:
        self._by_fact = {(fact.kind, fact.version): (fact, handler) for fact, handler in by_fact.items()}
        self.kinds = frozenset(fact.kind for fact in by_fact)

    def of(self, event: Event) -> Callable[[], Awaitable[None]] | None:
        """None for a kind that nobody handles. Raises NotAnEvent for an unknown version, or wrong data."""
        if event.kind not in self.kinds:
            return None
        if (event.kind, event.version) not in self._by_fact:
            raise NotAnEvent(f"unknown version {event.version}")
        fact, handler = self._by_fact[event.kind, event.version]
        try:
            data = fact.model_validate(event.data)
        except ValidationError as error:
            fields = [".".join(map(str, wrong["loc"])) for wrong in error.errors()]
            raise NotAnEvent(f"wrong data: {', '.join(fields)}") from None
        return functools.partial(_handle, handler, event, data)


ByStream = Mapping[str, Handlers]
"""What is done with the events of each stream: a sender is believed only what its own stream is for."""


async def _handle(handler: Handler, event: Event, fact: Fact) -> None:
    """With the ids of the request that made it true, so that one search of the logs finds both."""
    before = CURRENT.set(RequestContext.start(event.request_id.encode()))
    try:
        await handler(event, fact)
    finally:
        CURRENT.reset(before)
