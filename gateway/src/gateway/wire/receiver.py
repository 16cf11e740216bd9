"""Whoever sent a request to an upstream, as its connection knows them."""

import asyncio
from typing import Protocol

from gateway.wire.exceptions import UpstreamError
from gateway.wire.reader import Headers


class Receiver(Protocol):
    """Whoever sent the request. After `ended` or `failed` the connection is no longer theirs."""

    def answered(
        self, status: int, headers: Headers, length: int | None, body: bytes, *, complete: bool
    ) -> None:
        """The final head, and the body that came with it; all of it if `complete`."""
        ...

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None: ...

    def switched(self, transport: asyncio.Transport, headers: Headers, data: bytes) -> None:
        """The upstream agreed to the upgrade. The transport is the receiver's, `data` what came after."""
        ...

    def failed(self, error: UpstreamError) -> None: ...

    def may_send(self) -> None:
        """The upstream takes more of the request again."""
        ...
