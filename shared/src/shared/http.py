"""Calls to other services: bounded in time and number, with the request's ids."""

import functools
import ssl

import httpx2

from shared.context import CURRENT


def service_client(
    base_url: str, *, timeout: float, connections: int = 64, tls: ssl.SSLContext | None = None
) -> httpx2.AsyncClient:
    """A client for one service, made in the lifespan. `timeout` is seconds for connecting and for each read.

    Proxy variables of the environment are ignored: they are meant for the world outside.
    """
    return httpx2.AsyncClient(
        base_url=base_url,
        timeout=httpx2.Timeout(timeout),
        limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        verify=tls or _authorities(),
        trust_env=False,
        follow_redirects=False,
        event_hooks={"request": [_add_request_ids]},
    )


@functools.cache
def _authorities() -> ssl.SSLContext:
    """The known certificate authorities, once for all clients of the process: loading them takes 28 ms."""
    return httpx2.create_ssl_context(trust_env=False)


async def _add_request_ids(request: httpx2.Request) -> None:
    context = CURRENT.get()
    if context is not None:
        request.headers["X-Request-ID"] = context.request_id
        request.headers["traceparent"] = context.traceparent
