"""A request of the gateway's own to an upstream, awaited whole."""

import asyncio
from collections.abc import Sequence

from gateway.call import Call
from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamBroken
from gateway.wire.reader import Headers

LARGEST = 1 << 20  # bytes of an answer

Answer = tuple[int, Headers, bytes]


def fetch(
    upstream: Upstream, method: bytes, target: bytes, fields: Sequence[bytes], *, within: float
) -> "asyncio.Future[Answer]":
    """Status, headers and body, `within` seconds. `fields` are `name: value`. Raises UpstreamError."""
    fetching = _Fetch(upstream, method, target)
    fetching.result.add_done_callback(lambda _: fetching.cancel())
    total_by = asyncio.get_running_loop().time() + within
    fetching.begin(fields, b"", length=0, sent=True, first_byte_timeout=within, total_by=total_by)
    return fetching.result


class _Fetch(Call):
    def __init__(self, upstream: Upstream, method: bytes, target: bytes) -> None:
        super().__init__(upstream, method, target)
        self.result: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._head: tuple[int, Headers] = (0, [])
        self._body = b""

    def answered(
        self,
        status: int,
        headers: Headers,
        length: int | None,  # noqa: ARG002 - a call's signature
        body: bytes,
        *,
        complete: bool,
    ) -> None:
        self.note_answer(complete=complete)
        self._head = status, headers
        self.received(body)
        if complete:
            self.completed()

    def received(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > LARGEST:
            self.cancel()
            self.gave_up(UpstreamBroken(self.upstream.name, "an answer above 1 MiB"))

    def completed(self) -> None:
        if not self.result.done():
            self.result.set_result((*self._head, self._body))

    def gave_up(self, error: Exception) -> None:
        if not self.result.done():
            self.result.set_exception(error)

    def may_send(self) -> None:
        """Nothing is left to send."""
