"""How a connection refuses a request, in the order of answers, and what becomes of what still comes."""

from typing import TYPE_CHECKING

from shared.exceptions import ServiceError
from shared.wire.counters import CLOSED
from shared.wire.deadlines import Phase
from shared.wire.refusal import refusal

if TYPE_CHECKING:
    from shared.wire.protocol import Protocol

UNWANTED_LIMIT = 1 << 20  # bytes that may come after a refusal, or around the content after an answer


def refuse(connection: "Protocol", error: ServiceError) -> None:
    """See `Protocol.refuse`."""
    if connection.phase is Phase.REFUSED:
        return
    connection.refusal = error
    broken = connection.cycle if connection.phase is Phase.BODY else None  # its own body is what is wrong
    connection.phase = Phase.REFUSED
    connection.since = connection.peers.now
    if broken is not None and broken in connection.waiting:
        connection.waiting.remove(broken)
        broken.lose()
    if connection.current is not None and connection.current is not broken:
        connection.flow.pause_reading()
        connection.flow.held = True
        return
    begun = connection.current is not None and connection.current.response_started
    connection.lose_all()
    if begun:  # the refusal would pass for a part of the answer that is under way
        connection.transport.close()
    else:
        answer_refusal(connection, error)


def answer_refusal(connection: "Protocol", error: ServiceError) -> None:
    """The sending side closes now, the receiving side when the client does, or after LINGER."""
    connection.refusal = error
    connection.phase = Phase.REFUSED
    connection.since = connection.peers.now
    connection.flow.held = False
    connection.flow.resume_reading()
    if not connection.transport.is_closing():
        default_headers = connection.server_state.default_headers
        connection.transport.write(refusal(error, connection.url, connection.headers, default_headers))
        connection.transport.write_eof()


def drop(connection: "Protocol", size: int) -> None:
    """What follows a refusal is read for a while, so that the client sees the refusal and no reset."""
    connection.unwanted += size
    if connection.unwanted > UNWANTED_LIMIT:
        connection.flow.pause_reading()


def stop_parsing(connection: "Protocol") -> None:
    """Content costs little to drop, what is around it much: it would take the time of other clients."""
    CLOSED.labels("unwanted_body").inc()
    linger(connection)


def linger(connection: "Protocol") -> None:
    """Closes the sending side after an answer; what the client still sends is dropped, as after a refusal."""
    connection.unwanted = 0
    connection.phase = Phase.REFUSED
    connection.since = connection.peers.now
    connection.transport.write_eof()
