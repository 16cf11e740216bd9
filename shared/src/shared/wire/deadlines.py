"""How long a connection may wait for its client, by what it waits for."""

from enum import IntEnum
from typing import Any

from shared.wire import refusal as refusals
from shared.wire.counters import CLOSED

LINGER = 2.0  # seconds in which a refused client may still send, so that it reads the refusal and no reset


class Phase(IntEnum):
    """What a connection waits for."""

    NEW = 0
    IDLE = 1
    HEAD = 2
    BODY = 3
    ANSWER = 4
    UNWANTED = 5  # the rest of a body whose request was answered already
    REFUSED = 6  # nothing: what still comes is dropped for LINGER seconds


# For each request: a member of an enumeration is found slowly.
IDLE, BODY, ANSWER, REFUSED = Phase.IDLE, Phase.BODY, Phase.ANSWER, Phase.REFUSED


def check_deadlines(connection: Any) -> None:
    """Refuse or close a connection whose client has kept it waiting for too long."""
    now = connection.peers.now
    if unsent := connection.transport.get_write_buffer_size():
        _check_reader(connection, unsent, now)
        return
    connection.unsent = 0
    limits, waited = connection.limits, now - connection.since
    phase = connection.phase
    if phase is Phase.IDLE or phase is Phase.NEW:
        _check_idle(connection, waited, now)
    elif phase is Phase.HEAD or phase is Phase.BODY:
        _check_request(connection, waited, now)
    elif phase is Phase.UNWANTED:
        if waited > limits.body_timeout:
            _close(connection, "unwanted_body")
    elif phase is Phase.REFUSED and connection.current is None and waited > LINGER:
        connection.transport.abort()


def _check_idle(connection: Any, waited: float, now: float) -> None:
    limits, drained_at = connection.limits, connection.peers.drained_at
    if waited > (limits.keep_alive if connection.phase is Phase.IDLE else limits.head_timeout):
        _close(connection, "idle")
    elif drained_at is not None and now >= drained_at:
        connection.transport.close()


def _check_request(connection: Any, waited: float, now: float) -> None:
    cycle = connection.cycle
    if connection.flow.read_paused or (
        connection.phase is Phase.BODY and cycle is not None and cycle.waiting_for_100_continue
    ):
        connection.since = now  # the client waits for us
    elif connection.phase is Phase.HEAD:
        if waited > connection.limits.head_timeout:
            connection.refuse(refusals.HeadTimeout())
    elif waited > connection.limits.body_timeout:
        connection.refuse(refusals.BodyTimeout())


def _check_reader(connection: Any, unsent: int, now: float) -> None:
    if unsent != connection.unsent:
        connection.unsent = unsent
        connection.unsent_since = now
    elif now - connection.unsent_since > connection.limits.answer_timeout:
        _close(connection, "reader")


def _close(connection: Any, reason: str) -> None:
    CLOSED.labels(reason).inc()
    connection.transport.abort()
