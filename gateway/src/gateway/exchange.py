"""One request on its way through the gateway: what the stages look at and what they leave for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from gateway.exceptions import BodyTooSlow, SpokeEarly
from gateway.metrics import TRAFFIC_METRICS, Traffic
from gateway.route_table import Route
from gateway.wire.reader import SWITCHING_PROTOCOLS
from gateway.wire.stream import HIGH_WATER, Request, ServerStream
from gateway.wire.tunnel import Tunnel
from shared.context import CURRENT, RequestContext
from shared.exceptions import ContentTooLarge, GatewayTimeout, MethodNotAllowed, ServiceError
from shared.identity import Caller
from shared.logging import get_logger
from shared.metrics import REQUEST_METRICS
from shared.middleware.access_log import log_request
from shared.problems import problem_of, unexpected

ESCAPE = ord("%")
Stage = Callable[["Exchange"], Awaitable[None] | None]
"""Lets an exchange pass, or raises what is answered instead. It gives an awaitable if it has to wait."""

_IDS_AND_TIMES = b"\r\n".join(
    [
        b"x-request-id: %b",
        b"x-process-time: %.6f",
        b"server-timing: gateway;dur=%.3f, upstream;dur=%.3f",
    ]
)
log = get_logger()
begin_traffic = TRAFFIC_METRICS.begin
begin_request, end_request = REQUEST_METRICS.begin, REQUEST_METRICS.end


class Transfer(Protocol):
    """What the last stage has begun: the request on its way to the upstream, the answer on its way back."""

    def flush(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cancel(self) -> None: ...


class Exchange(ServerStream):
    """`fields` has the last value of each header of the request, `request` all that was in its head.

    Stages may set `caller` and `authorization` (what is passed on), and append to `answer_fields`
    (`name: value`). `deadline` is in the loop's time.
    """

    __slots__ = (
        "_postponed",
        "_task",
        "_timer",
        "answer_fields",
        "authorization",
        "began_at",
        "caller",
        "client",
        "context",
        "deadline",
        "endless",
        "fields",
        "forwarded",
        "refusal",
        "route",
        "stages",
        "started",
        "traffic",
        "transfer",
        "tunnel",
        "upstream_took",
    )

    def __init__(
        self,
        connection: Any,
        request: Request,
        found: Route | ServiceError,
        stages: tuple[Stage, ...],
    ) -> None:
        """`found` is the route, or why the request is refused."""
        super().__init__(connection, request)
        self.began_at = perf_counter()
        self.fields = fields = request.fields
        self.client: str | None = connection.client[0] if connection.client else None
        self.forwarded: list[bytes] = connection.forwarded
        self.route: Route | None = None
        self.refusal: ServiceError | None = None
        self.deadline = 0.0
        if isinstance(found, Route):
            self.route = found
            self.limit = found.body_limit
            self.deadline = connection.loop.time() + found.timeout
        else:
            self.refusal = found
        self.stages = stages
        self.caller: Caller | None = None
        self.authorization: bytes | None = None
        self.transfer: Transfer | None = None
        self.traffic: Traffic | None = None
        self.tunnel: Tunnel | None = None  # the transfer too, once it is a WebSocket
        self.upstream_took = 0.0  # seconds until the upstream's answer began
        self.started = False
        self.endless = False  # the answer is a stream of events
        self._postponed = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.context = RequestContext.start(fields.get(b"x-request-id"), fields.get(b"traceparent"))
        self.answer_fields: list[bytes] = []

    # Its way through the stages.

    def start(self) -> None:
        if self.write_paused:  # the client has yet to read what was answered before
            self._postponed = True
            return
        self.started = True
        if self.route is not None:
            self.traffic = begin_traffic(self.route)
        begin_request()
        self._pass(0)

    def _pass(self, first: int) -> None:
        try:
            for stage in self.stages[first:] if first else self.stages:
                waiting = stage(self)
                if waiting is not None:
                    then = self.stages.index(stage) + 1
                    self._task = asyncio.ensure_future(self._wait(waiting, then))
                    return
        except Exception as error:  # noqa: BLE001 - every error is answered
            self.refuse(error)

    async def _wait(self, waiting: Awaitable[None], then: int) -> None:
        CURRENT.set(self.context)
        try:
            async with asyncio.timeout_at(self.deadline) as limit:
                await waiting
        except Exception as error:  # noqa: BLE001 - every error is answered
            self._task = None
            self.refuse(GatewayTimeout() if limit.expired() else error)
        else:
            self._task = None
            self._pass(then)

    def refuse(self, error: Exception) -> None:
        """Answers with a problem document. An answer that has begun is cut off."""
        if self.response_complete or self._lost:
            return
        self._stop_waiting()
        token = CURRENT.set(self.context)
        try:
            if self.response_started:
                log.error("answer_cut_off", path=self.instance, reason=type(error).__name__)
                self.cut()
                return
            if isinstance(error, ServiceError):
                response = problem_of(error, self.instance)
            else:
                response = unexpected(self.instance, error)
        finally:
            CURRENT.reset(token)
        fields = []
        for name, value in response.raw_headers:
            if name == b"connection":
                self.keep_alive = False
            else:
                fields.append(name + b": " + value)
        body = bytes(response.body)
        self.answer(response.status_code, fields, len(body), body, complete=True)

    @property
    def instance(self) -> str:
        """The path as logs and problems show it, without the query."""
        path = self.request.target.partition(b"?")[0]
        return unquote_to_bytes(path).decode("utf-8", "replace") if ESCAPE in path else path.decode("latin-1")

    def await_body(self) -> None:
        """Refuses a client that has sent nothing of its body by the deadline."""
        self.ask_for_body()
        if self._timer is None:
            self._timer = self.connection.loop.call_at(self.deadline, self.refuse, BodyTooSlow())

    def body_begins(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_waiting(self) -> None:
        self.body_begins()
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self.transfer is not None:
            self.transfer.cancel()
            self.transfer = None

    # What its connection tells.

    def flush(self) -> None:
        if self.transfer is not None:
            self.transfer.flush()
        elif self.buffered > HIGH_WATER and not self.response_complete:
            self.pause_reading()  # a stage still waits

    def over_limit(self) -> None:
        if self.started:
            self.refuse(ContentTooLarge(limit=self.limit))
        else:
            self.refusal = self.refusal or ContentTooLarge(limit=self.limit)

    def pause_writing(self) -> None:
        if self.transfer is not None:
            self.transfer.pause()

    def resume_writing(self) -> None:
        if self._postponed:
            self._postponed = False
            self.start()
            self.flush()
        elif self.transfer is not None:
            self.transfer.resume()

    def answer(
        self, status: int, fields: list[bytes], length: int | None, body: bytes, *, complete: bool
    ) -> None:
        took = perf_counter() - self.began_at
        upstream, request_id = self.upstream_took, self.context.request_id.encode()
        fields += self.answer_fields
        if upstream:
            fields.append(_IDS_AND_TIMES % (request_id, took, (took - upstream) * 1000, upstream * 1000))
        else:
            fields.append(b"x-request-id: %b\r\nx-process-time: %.6f" % (request_id, took))
        super().answer(status, fields, length, body, complete=complete)

    def switch(self, fields: list[bytes], tunnel: Tunnel) -> None:
        """Answers 101. From now on the connection is the tunnel's; it is logged when that ends."""
        self.keep_alive = True  # a close is not the answer's to announce
        self.answer(SWITCHING_PROTOCOLS, fields, 0, b"", complete=False)
        self._count(self.method.decode("ascii"), perf_counter() - self.began_at)
        self.transfer = self.tunnel = self.connection.tunnel = tunnel

    def drain(self) -> None:
        """The worker stops: a stream of events ends as if complete, and its client connects again."""
        if self.endless and not self.response_complete:
            self._stop_waiting()
            self.finish()

    def client_received(self, _: bytes) -> None:
        """Bytes behind a handshake that has no answer yet."""
        self.refuse(SpokeEarly())

    def abandoned(self) -> None:
        self._stop_waiting()
        if self.started:
            token = CURRENT.set(self.context)
            if self.tunnel is None and self.connection.transport.is_closing():
                log.info("client_gone", upstream=self.route.upstream if self.route else None)
            CURRENT.reset(token)
            self._record()

    def finished(self) -> None:
        self.transfer = None
        self._record()

    def _record(self) -> None:
        took = perf_counter() - self.began_at
        method = self.method.decode("ascii")
        if self.tunnel is None:
            self._count(method, took)
        log_request(method, self.instance, self.status, took, self.client, self.context)

    def _count(self, method: str, took: float) -> None:
        traffic = self.traffic
        if traffic is not None:
            traffic.end(self.received, self.sent, self.upstream_took)
        end_request(method, self._unrouted if traffic is None else traffic.route, self.status, took)

    @property
    def _unrouted(self) -> str:
        return "method_not_allowed" if isinstance(self.refusal, MethodNotAllowed) else "unmatched"
