"""Who talks to a connection of an upstream: whoever sent a request on it, and whoever lends it out."""

import asyncio
from abc import abstractmethod
from typing import Generic, TypeVar

from mypy_extensions import mypyc_attr

from gateway.wire.exceptions import UpstreamError
from gateway.wire.reader import Headers

_Connection = TypeVar("_Connection")


@mypyc_attr(allow_interpreted_subclasses=True)
class Receiver:  # no ABC, for the same reason as `ServerStream`; no protocol, which is asked by name
    """Whoever sent the request. After `ended` or `failed` the connection is no longer theirs."""

    @abstractmethod
    def answered(
        self, status: int, headers: Headers, length: int | None, body: bytes, *, complete: bool
    ) -> None:
        """The final head, and the body that came with it; all of it if `complete`."""

    @abstractmethod
    def received(self, data: bytes) -> None: ...

    @abstractmethod
    def ended(self) -> None: ...

    @abstractmethod
    def switched(self, transport: asyncio.Transport, headers: Headers, data: bytes) -> None:
        """The upstream agreed to the upgrade. The transport is the receiver's, `data` what came after."""

    @abstractmethod
    def failed(self, error: UpstreamError) -> None: ...

    @abstractmethod
    def may_send(self) -> None:
        """The upstream takes more of the request again."""


class Owner(Generic[_Connection]):
    """Whoever lends connections out: told once when one is free again, once when it is gone."""

    @abstractmethod
    def returned(self, connection: _Connection) -> None: ...

    @abstractmethod
    def lost(self, connection: _Connection) -> None: ...
