"""The public face of the upstream client: one pool per upstream and worker."""

import asyncio
from urllib.parse import urlsplit

from gateway.upstream.connection import Connection
from gateway.upstream.exceptions import UpstreamBroken
from gateway.upstream.request_head import Headers, RequestBody, request_head
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.sender import BodySender
from gateway.upstream.slots import PoolStats, Slots

# RFC 9110, section 9.2.2.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


class UpstreamPool:
    """HTTP/1.1 requests to one upstream over kept-alive connections.

    Made on the running loop and used there only. `url` is `http://host:port`; timeouts are in seconds.
    `connect_timeout` bounds the wait for a free connection and the connect together. `idle_timeout` should be
    below the upstream's own keep-alive timeout, so that the closing is ours.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        connect_timeout: float = 1.0,
        max_connections: int = 256,
        idle_timeout: float = 30.0,
    ) -> None:
        host, port, authority = _split_origin(url)
        self.name = name
        self._authority = authority
        self._connect_timeout = connect_timeout
        self._loop = asyncio.get_running_loop()
        self._slots = Slots(name, host, port, limit=max_connections, idle_timeout=idle_timeout)

    @property
    def stats(self) -> PoolStats:
        """Connections now: open, idle, in flight, and requests waiting for one."""
        return self._slots.stats

    async def request(
        self,
        method: bytes,
        target: bytes,
        headers: Headers,
        body: RequestBody,
        *,
        first_byte_timeout: float,
        total_timeout: float,
    ) -> UpstreamResponse:
        """Sends one request and returns when the final response's head is here.

        `first_byte_timeout` runs from the last byte of the request to the end of the response's head;
        `total_timeout` from this call to the last byte of the response, and may be infinite. `headers` come
        cleaned; hop-by-hop fields among them are dropped. Raises UpstreamUnreachable, UpstreamTimeout,
        UpstreamBroken; ValueError for a request that must not be sent; and whatever `body` raises.

        A kept-alive connection may be closed by the upstream just as it is used again. An idempotent
        request whose body is at hand is then repeated once, on a new connection (RFC 9112, section 9.3.1).
        """
        head, length = request_head(method, target, headers, body, self._authority)
        now = self._loop.time()
        total_by = now + total_timeout
        connection = self._slots.idle_connection() or await self._checkout(total_by)
        reused = connection.used
        head_only = method == b"HEAD"
        if body is not None and not isinstance(body, bytes):
            return await connection.exchange_streaming(
                head,
                BodySender(body, length),
                head_only=head_only,
                first_byte_timeout=first_byte_timeout,
                total_by=total_by,
            )
        try:
            return await connection.exchange(
                head, body, head_only=head_only, first_byte_timeout=first_byte_timeout, total_by=total_by
            )
        except UpstreamBroken as broken:
            if not (broken.unanswered and reused and method in _IDEMPOTENT):
                raise
        connection = await self._checkout(total_by, fresh=True)
        return await connection.exchange(
            head, body, head_only=head_only, first_byte_timeout=first_byte_timeout, total_by=total_by
        )

    async def _checkout(self, total_by: float, *, fresh: bool = False) -> Connection:
        by = min(self._loop.time() + self._connect_timeout, total_by)
        return await self._slots.checkout(by, fresh=fresh)

    async def close(self, grace: float = 5.0) -> None:
        """Closes what is idle, lets what is in flight finish for `grace` seconds, then cuts it."""
        await self._slots.close(grace)


def _split_origin(url: str) -> tuple[str, int, bytes]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None:
        raise ValueError(f"an upstream is http://host:port, not {url!r}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"an upstream has no path: {url!r}")
    return parts.hostname, parts.port or 80, parts.netloc.encode("ascii")
