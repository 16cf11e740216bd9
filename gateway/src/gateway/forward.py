"""Forwards one request to its upstream and the answer back, as they come."""

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

from starlette.types import Receive, Scope, Send

from gateway.body import ClientGone, RequestBody
from gateway.disconnect import DisconnectWatch
from gateway.exceptions import BodyTooSlow, UpstreamFailed, UpstreamTooSlow, UpstreamUnavailable
from gateway.headers import request_headers, response_headers
from gateway.route_table import Route
from gateway.upstream import (
    UpstreamBroken,
    UpstreamPool,
    UpstreamResponse,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from shared.context import CURRENT, RequestContext
from shared.logging import get_logger

log = get_logger()


class Forwarder:
    """Knows the upstreams by name."""

    def __init__(self, upstreams: Mapping[str, UpstreamPool]) -> None:
        self._upstreams = upstreams

    async def forward(
        self, route: Route, authorization: bytes | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Raises UpstreamUnavailable, UpstreamFailed, UpstreamTooSlow, and what RequestBody raises.

        Once the answer has begun such an error ends the client's connection: the status is already out.
        """
        context = CURRENT.get() or RequestContext.start()
        headers = request_headers(scope, context, authorization)
        body = RequestBody(scope, receive, route.body_limit)
        watch = DisconnectWatch(receive)
        response: UpstreamResponse | None = None
        try:
            content = watch.after(await body.content(route.timeout))
            response = await self._upstreams[route.upstream].request(
                scope["method"].encode(),
                _target(scope),
                headers,
                content,
                first_byte_timeout=route.timeout,
                total_timeout=route.timeout,
            )
            await _answer(response, send)
        except UpstreamUnreachable as error:
            raise UpstreamUnavailable(upstream=error.upstream) from error
        except UpstreamTimeout as error:
            if body.owed:
                raise BodyTooSlow from error
            raise UpstreamTooSlow(upstream=error.upstream) from error
        except UpstreamBroken as error:
            raise UpstreamFailed(upstream=error.upstream) from error
        except ClientGone:
            log.info("client_gone", upstream=route.upstream)
        except asyncio.CancelledError:
            if not watch.fired:
                raise
            _uncancel()
            log.info("client_gone", upstream=route.upstream)
        finally:
            watch.stop()
            if response is not None:
                response.abandon()


async def _answer(response: UpstreamResponse, send: Send) -> None:
    headers = response_headers(response.status, response.headers)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    whole = response.complete_body
    if whole is not None:
        await send({"type": "http.response.body", "body": whole})
        return
    async for chunk in response:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _target(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return path + b"?" + query if query else path


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
