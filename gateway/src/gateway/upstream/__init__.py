"""The upstream client: HTTP/1.1 over a keep-alive pool, streaming both ways with back-pressure."""

from gateway.upstream.exceptions import UpstreamBroken, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream.pool import UpstreamPool
from gateway.upstream.response import UpstreamResponse
from gateway.upstream.slots import PoolStats

__all__ = [
    "PoolStats",
    "UpstreamBroken",
    "UpstreamError",
    "UpstreamPool",
    "UpstreamResponse",
    "UpstreamTimeout",
    "UpstreamUnreachable",
]
