"""One request on its way through the gateway: what the stages look at and what they leave for each other."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any, Protocol

from gateway.exceptions import BodyTooSlow, SpokeEarly
from gateway.recorded import RecordedStream
from gateway.route_table import Route
from gateway.waiting import wait
from gateway.wire.reader import SWITCHING_PROTOCOLS
from gateway.wire.request import Request
from gateway.wire.stream import HIGH_WATER
from gateway.wire.tunnel import Tunnel
from shared.context import CURRENT
from shared.exceptions import ContentTooLarge, ServiceError
from shared.identity import Caller
from shared.logging import get_logger
from shared.problems import problem_of, unexpected

Stage = Callable[["Exchange"], Awaitable[None] | None]
"""Lets an exchange pass, or raises what is answered instead. It gives an awaitable if it has to wait."""

log = get_logger()


class Transfer(Protocol):
    """What the last stage has begun: the request on its way to the upstream, the answer on its way back."""

    def flush(self) -> None:
        """The client has sent more."""

    def pause(self) -> None:
        """The client reads too slowly: read no more from the upstream."""

    def resume(self) -> None: ...

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""


class Exchange(RecordedStream):
    """`fields` has the last value of each header of the request, `request` all that was in its head.

    Stages may set `caller` and `authorization` (what is passed on), and append to `answer_fields`
    (`name: value`). `deadline` is in the loop's time.
    """

    __slots__ = (
        "_postponed",
        "_task",
        "_timer",
        "authorization",
        "caller",
        "deadline",
        "endless",
        "fields",
        "forwarded",
        "stages",
        "started",
        "transfer",
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
        self.fields = request.fields
        self.forwarded: list[bytes] = connection.forwarded
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
        self.started = False
        self.endless: Callable[[float], bool] | None = None  # of a stream of events: whether it may go on
        self._postponed = False
        self._task: asyncio.Task[Exception | None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # Its way through the stages.

    def start(self) -> None:
        if self.write_paused:  # the client has yet to read what was answered before
            self._postponed = True
            return
        self.started = True
        self.begin_record()
        self._pass(0)

    def _pass(self, first: int) -> None:
        try:
            for stage in self.stages[first:] if first else self.stages:
                waiting = stage(self)
                if waiting is not None:
                    then = self.stages.index(stage) + 1
                    self._task = asyncio.ensure_future(wait(waiting, self.deadline, self.context))
                    self._task.add_done_callback(partial(self._waited, then))
                    return
        except Exception as error:  # noqa: BLE001 - every error is answered
            self.refuse(error)

    def _waited(self, then: int, task: "asyncio.Task[Exception | None]") -> None:
        if task is not self._task or task.cancelled():
            return  # nobody waits any more, or the loop ends
        self._task = None
        error = task.result()
        if error is None:
            self._pass(then)
        else:
            self.refuse(error)

    def refuse(self, error: Exception) -> None:
        """Answers with a problem document. An answer that has begun is cut off."""
        if self.response_complete or self._lost:
            return
        self._stop_waiting()
        token = CURRENT.set(self.context)
        try:
            if self.response_started:
                log.error("answer_cut_off", path=self.request.path, reason=type(error).__name__)
                self.cut()
                return
            if isinstance(error, ServiceError):
                response = problem_of(error, self.request.path)
            else:
                response = unexpected(self.request.path, error)
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

    def await_body(self) -> None:
        """Refuses a client that has sent nothing of its body by the deadline."""
        self.ask_for_body()
        if self._timer is None:
            self._timer = self.connection.loop.call_at(self.deadline, self.refuse, BodyTooSlow())

    def stop_awaiting_body(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_waiting(self) -> None:
        self.stop_awaiting_body()
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

    def switch(self, fields: list[bytes], tunnel: Tunnel) -> None:
        """Answers 101. From now on the connection is the tunnel's; it is logged when that ends."""
        self.keep_alive = True  # a close is not the answer's to announce
        self.answer(SWITCHING_PROTOCOLS, fields, 0, b"", complete=False)
        self.count(self.method.decode("ascii"), perf_counter() - self.began_at)
        self.transfer = self.tunnel = self.connection.tunnel = tunnel

    def drain(self) -> None:
        """The worker stops: a stream of events ends as if complete, and its client connects again."""
        if self.endless is not None and not self.response_complete:
            self._stop_waiting()
            self.finish()

    def check(self, now: float) -> None:
        if self.endless is not None and not self.endless(now):
            self.drain()

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
            self.record()

    def finished(self) -> None:
        self.transfer = None
        self.record()
