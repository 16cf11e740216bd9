"""Forward: the request goes to its upstream and the answer back, as they come."""

from collections.abc import Mapping
from functools import partial
from time import perf_counter

from gateway.call import Call
from gateway.exceptions import (
    BodyTooSlow,
    TooManyUploads,
    UpstreamFailed,
    UpstreamTooSlow,
    UpstreamUnavailable,
)
from gateway.exchange import Exchange
from gateway.headers import request_fields, response_fields
from gateway.long_lived import LongLived
from gateway.route_table import Route
from gateway.upstreams import Upstream
from gateway.wire.exceptions import UpstreamTimeout, UpstreamUnreachable
from gateway.wire.known import KnownFields
from gateway.wire.reader import Headers
from gateway.wire.stream import HIGH_WATER
from shared.context import RequestContext
from shared.exceptions import ServiceError

HELD = HIGH_WATER  # octets of a body that wait here for the rest of it, at the most
VIA = b"via: 1.1 facet"  # RFC 9110, section 7.6.3; what came from outside under this name is dropped


class Forward:
    """The last stage, unless one before has begun a transfer. Knows the upstreams by name."""

    def __init__(self, upstreams: Mapping[str, Upstream], long_lived: LongLived) -> None:
        self._upstreams = upstreams
        self._long_lived = long_lived

    def __call__(self, exchange: Exchange) -> None:
        route = exchange.route
        if route is not None and exchange.transfer is None:
            upstream = self._upstreams[route.upstream]
            transfer = exchange.transfer = ForwardedCall(exchange, route, upstream, self._long_lived)
            transfer.flush()


class ForwardedCall(Call):
    """One exchange with its upstream, both ways with back-pressure."""

    def __init__(
        self,
        exchange: Exchange,
        route: Route,
        upstream: Upstream,
        long_lived: LongLived,
        upgrade_fields: tuple[bytes, ...] = (),
    ) -> None:
        """`upgrade_fields` ask for another protocol."""
        super().__init__(upstream, exchange.method, exchange.request.target)
        self._long_lived = long_lived
        self._exchange = exchange
        self._route = route
        self._upgrade_fields = upgrade_fields
        self._begun = False

    # The request.

    def flush(self) -> None:
        """The client has sent more. A body is sent on once it is whole, a long one once 64 KiB are here.

        Otherwise clients that send an octet each would hold all connections of the upstream.
        """
        exchange = self._exchange
        if self._begun:
            if self.writable:
                self._send_on()
        elif exchange.body_complete or exchange.buffered >= HELD:
            self._begun = True
            exchange.stop_awaiting_body()
            self._begin()
        elif not exchange.connection.parsing:  # else what came with the head is not known yet
            exchange.await_body()

    def _begin(self) -> None:
        exchange = self._exchange
        if not exchange.body_complete and not self.upstream.takes_uploads:
            exchange.refuse(TooManyUploads(upstream=self.upstream.name))
            return
        body, complete = exchange.take(), exchange.body_complete
        length = len(body) if complete else exchange.request.length
        if length is None:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        known = exchange.request.known
        if known is None:
            fields, checked = _fields(exchange), b""
        else:
            fields, checked = [*exchange.forwarded, VIA], _checked(exchange, known)
        if self._upgrade_fields:
            fields += self._upgrade_fields
        if not complete:
            exchange.pause_reading()  # until there is a connection: see `may_send`
        self.begin(
            fields,
            body,
            length=length,
            sent=complete,
            first_byte_timeout=self._route.timeout,
            total_by=exchange.deadline,
            checked=checked,
            upgrade=bool(self._upgrade_fields),
        )

    def _send_on(self) -> None:
        exchange = self._exchange
        data, last = exchange.take(), exchange.body_complete
        if self.sent or not (data or last):
            return
        if self.length is None:
            data = (b"%x\r\n%b\r\n" % (len(data), data) if data else b"") + (b"0\r\n\r\n" if last else b"")
        self.sent = last
        self.send(data, last=last)
        if not last and not self.writable:
            exchange.pause_reading()

    def may_send(self) -> None:
        self._send_on()
        if self.writable:
            self._exchange.resume_reading()

    # The answer.

    def answered(
        self, status: int, headers: Headers, length: int | None, body: bytes, *, complete: bool
    ) -> None:
        self.note_answer(complete=complete)
        exchange = self._exchange
        exchange.upstream_took = perf_counter() - self.began_at
        exchange.answer(status, response_fields(status, headers), length, body, complete=complete)
        if complete:
            return
        if exchange.write_paused:
            self.pause()
        if length is None and _is_event_stream(headers):
            began_at = exchange.connection.loop.time()
            exchange.endless = partial(self._long_lived.may_go_on, exchange, began_at)
            self.allow_endless(self._route.timeout)

    def received(self, data: bytes) -> None:
        self._exchange.write(data)
        if self._exchange.write_paused:
            self.pause()

    def completed(self) -> None:
        self._exchange.finish()

    def gave_up(self, error: Exception) -> None:
        refusal = self._refusal(error)
        refusal.__cause__ = error
        self._exchange.refuse(refusal)

    def _refusal(self, error: Exception) -> ServiceError:
        if isinstance(error, UpstreamUnreachable):
            return UpstreamUnavailable(upstream=self.upstream.name)
        if isinstance(error, UpstreamTimeout):
            return BodyTooSlow() if self._exchange.owes_body else UpstreamTooSlow(upstream=self.upstream.name)
        return UpstreamFailed(upstream=self.upstream.name)


def _fields(exchange: Exchange) -> list[bytes]:
    """What the upstream gets: what may pass, then who is calling, from where, under which ids."""
    context = exchange.context
    fields = [
        *request_fields(exchange.request.headers),
        b"x-request-id: " + context.request_id.encode(),
        b"traceparent: " + context.traceparent.encode(),
        *exchange.forwarded,
        VIA,
    ]
    if b"tracestate" in exchange.fields and _goes_on(context, exchange.fields.get(b"traceparent")):
        states = [value for name, value in exchange.request.headers if name == b"tracestate"]
        fields.append(b"tracestate: " + b",".join(states))
    if exchange.authorization is not None:
        fields.append(b"authorization: " + exchange.authorization)
    return fields


def _checked(exchange: Exchange, known: KnownFields) -> bytes:
    """Lines that were checked when their bytes first came, and our own ids: known fields have none."""
    context = exchange.context
    ids = f"x-request-id: {context.request_id}\r\ntraceparent: {context.traceparent}\r\n".encode()
    if exchange.authorization is None:
        return known.passing + ids
    return b"".join((known.passing, b"authorization: ", exchange.authorization, b"\r\n", ids))


def _is_event_stream(headers: Headers) -> bool:
    types = [value for name, value in headers if name == b"content-type"]
    return any(value.lower().startswith(b"text/event-stream") for value in types)


def _goes_on(context: RequestContext, traceparent: bytes | None) -> bool:
    """True if the caller's trace was taken over: its state goes with it, or not at all (W3C, 3.3)."""
    return traceparent is not None and context.trace_id.encode() in traceparent
