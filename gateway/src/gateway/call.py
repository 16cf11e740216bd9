"""One request to an upstream: on which connection it goes, and when it is repeated."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from time import perf_counter

from mypy_extensions import mypyc_attr

from gateway.metrics import FAILURES
from gateway.upstreams import Replica, Upstream
from gateway.wire.connection import Connection
from gateway.wire.exceptions import UpstreamBroken, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.wire.reader import Headers
from gateway.wire.receiver import Receiver
from gateway.wire.request_head import request_head
from gateway.wire.ticket import Ticket

# Repeatable whatever the outcome of the first try was (RFC 9110, section 9.2.2).
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


@mypyc_attr(allow_interpreted_subclasses=True)  # where it is compiled
class Call(Receiver):
    """One request to an upstream. A subclass says what becomes of the answer.

    Where no connection could be had, nothing was sent, and another replica is tried. A request whose body is
    at hand and whose method is idempotent is repeated once: on a new connection when a kept one was closed
    just as it was used again (RFC 9112, section 9.3.1), or on another replica when its own one broke.
    """

    def __init__(self, upstream: Upstream, method: bytes, target: bytes) -> None:
        self.upstream = upstream
        self.method = method
        self.target = target
        self.answered_head = False
        self._repeated = self._reused = self._uploading = False
        self._connection: Connection | None = None
        self._replica: Replica | None = None
        self._ticket: Ticket | None = None
        self._tried: Sequence[Replica] = ()

    def begin(
        self,
        fields: Sequence[bytes],
        body: bytes,
        *,
        length: int | None,
        sent: bool,
        first_byte_timeout: float,
        total_by: float,
        checked: bytes = b"",
        upgrade: bool = False,
    ) -> None:
        """Sends the head and `body`, framed as `length` says; `sent` if that is all of it.

        `first_byte_timeout` is in seconds, `total_by` in the loop's time. `checked` are more fields: lines
        that `request_head` need not check again. `upgrade` if the fields ask for another protocol.
        """
        self.fields, self.body, self.length, self.sent = fields, body, length, sent
        self._whole = sent
        self._checked, self._upgrade = checked, upgrade
        self._first_byte_timeout, self._total_by = first_byte_timeout, total_by
        self.began_at = perf_counter()
        self._dispatch()

    @property
    def writable(self) -> bool:
        """True if `send` may be called now."""
        return self._connection is not None and not self._connection.write_paused

    def send(self, data: bytes, *, last: bool) -> None:
        """More of the body, framed; only once `may_send` was called."""
        if last:
            self._end_upload()
        if self._connection is not None:
            self._connection.send(data, last=last)

    def pause(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    def allow_endless(self, patience: float) -> None:
        if self._connection is not None:
            self._connection.allow_endless(patience)

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        if self._ticket is not None and self._replica is not None:
            self._replica.pool.cancel(self._ticket)
            self._ticket = None
        connection = self._release()
        if connection is not None:
            connection.abandon(self)

    # What becomes of it.

    @abstractmethod
    def answered(
        self, status: int, headers: Headers, length: int | None, body: bytes, *, complete: bool
    ) -> None:
        """As for a connection's receiver; implementations call `note_answer` first."""

    @abstractmethod
    def received(self, data: bytes) -> None: ...

    @abstractmethod
    def gave_up(self, error: Exception) -> None:
        """There will be no answer, or no more of it."""

    @abstractmethod
    def may_send(self) -> None:
        """More of the body may be sent."""

    @abstractmethod
    def completed(self) -> None: ...

    def switched(self, transport: asyncio.Transport, headers: Headers, data: bytes) -> None:
        """As for a connection's receiver: only for a call that asks for an upgrade."""
        raise NotImplementedError

    def note_answer(self, *, complete: bool) -> None:
        self.answered_head = True
        replica = self._replica
        if replica is not None and replica.failures:
            replica.failures, replica.ejected_until = 0, 0.0
        if complete:
            self._release()

    # What a connection calls.

    def ended(self) -> None:
        self._release()
        self.completed()

    def failed(self, error: UpstreamError) -> None:
        replica, reused = self._replica, self._reused
        self._release()
        if replica is not None:
            self._note_failure(replica, error, reused=reused)
        if self._may_repeat(error, reused=reused):
            self._repeated = True
            self._dispatch(fresh=True)
        else:
            self.gave_up(error)

    def _note_failure(self, replica: Replica, error: UpstreamError, *, reused: bool) -> None:
        self._tried = [*self._tried, replica]
        if isinstance(error, UpstreamUnreachable):
            blamed = not error.crowded
        elif isinstance(error, UpstreamTimeout):
            # A client that was slow with its body leaves it less time, which is no fault of the upstream's.
            had_time = perf_counter() - self.began_at >= self._first_byte_timeout / 2
            blamed = self._whole and had_time and not self.answered_head
        else:
            blamed = isinstance(error, UpstreamBroken) and not (error.unanswered and reused)
        if blamed:
            replica.failed(asyncio.get_running_loop().time())
        FAILURES.labels(self.upstream.name, error.code).inc()

    def _may_repeat(self, error: UpstreamError, *, reused: bool) -> bool:
        several = len(self.upstream.replicas) > 1
        if isinstance(error, UpstreamUnreachable):
            return several and len(set(self._tried)) < len(self.upstream.replicas)
        if self._repeated or self.answered_head or not self._whole or self.method not in _IDEMPOTENT:
            return False
        return isinstance(error, UpstreamBroken) and (several or (error.unanswered and reused))

    def _dispatch(self, *, fresh: bool = False) -> None:
        replica = self._replica = self.upstream.pick(self._tried)
        replica.outstanding += 1
        if not self.sent:
            self._uploading = True
            self.upstream.uploads += 1
        ticket = replica.pool.checkout(self._connected, self._total_by, fresh=fresh)
        # Without a ticket `_connected` was called, and another replica's ticket may be held by now.
        if ticket is not None:
            self._ticket = ticket

    def _connected(self, connection: Connection | UpstreamUnreachable) -> None:
        self._ticket = None
        if isinstance(connection, UpstreamUnreachable):
            self.failed(connection)
            return
        replica = self._replica
        assert replica is not None  # noqa: S101 - set by _dispatch()
        self._connection = connection
        self._reused = connection.used
        head = request_head(
            self.method, self.target, replica.authority, self.fields, self.length, self._checked
        )
        connection.begin(
            self,
            head + self.body if self.body else head,
            sent=self.sent,
            head_only=self.method == b"HEAD",
            first_byte_timeout=self._first_byte_timeout,
            total_by=self._total_by,
            upgrade=self._upgrade,
        )
        if not self.sent:
            self.may_send()

    def _end_upload(self) -> None:
        if self._uploading:
            self._uploading = False
            self.upstream.uploads -= 1

    def _release(self) -> Connection | None:
        self._end_upload()
        connection, self._connection = self._connection, None
        replica, self._replica = self._replica, None
        if replica is not None:
            replica.outstanding -= 1
        return connection
