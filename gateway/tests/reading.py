"""What h11, which shares no code with the gateway's parser, reads in the bytes of an answer."""

import contextlib
import re
from dataclasses import dataclass
from typing import Literal

import h11

# What the gateway drops without a look: interim answers, and the phrase of the status line.
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n[\r\n]*")
_PHRASE = re.compile(rb"^(HTTP/1\.[01] \d{3})[^\r\n]*\r\n")
_LARGEST = 1 << 20
SWITCHING = 101


@dataclass
class Reading:
    """`more` is an answer that may go on, `cut` one that ended too early. `surplus` came behind the end."""

    end: Literal["complete", "more", "cut", "invalid"]
    status: int = 0
    fields: frozenset[tuple[bytes, bytes]] = frozenset()
    body: bytes = b""
    surplus: bytes = b""

    @property
    def closes(self) -> bool:
        return (b"connection", b"close") in self.fields


def read_answer(method: bytes, data: bytes, *, closed: bool) -> Reading:
    """`closed` if the connection ended after `data`."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST)
    connection.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
    connection.send(h11.EndOfMessage())
    while interim := _INTERIM.match(data):
        data = data[interim.end() :]
    if data:  # nothing would mean the end
        connection.receive_data(_PHRASE.sub(rb"\1 OK\r\n", data))
    found = Reading("more")
    try:
        _read_on(connection, found)
    except h11.ProtocolError:
        found.end = "invalid"
    if found.end == "more" and closed:
        found.end = "cut"
        connection.receive_data(b"")
        with contextlib.suppress(h11.ProtocolError):
            _read_on(connection, found)
    return found


def _read_on(connection: h11.Connection, found: Reading) -> None:
    while True:
        match connection.next_event():
            case h11.Response() as response:
                found.status = response.status_code
                found.fields = frozenset((bytes(name), bytes(value)) for name, value in response.headers)
            case h11.Data() as piece:
                found.body += piece.data
            case h11.EndOfMessage():
                found.end = "complete"
                found.surplus = connection.trailing_data[0]
                return
            case h11.NEED_DATA | h11.ConnectionClosed():
                return


def read_agreement(data: bytes) -> Reading | None:
    """If `data` is a 101 that answers a request for a WebSocket: its fields, and what came behind it."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LARGEST)
    asked = [(b"host", b"x"), (b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    connection.send(h11.Request(method=b"GET", target=b"/", headers=asked))
    connection.send(h11.EndOfMessage())
    while interim := _INTERIM.match(data):
        data = data[interim.end() :]
    connection.receive_data(_PHRASE.sub(rb"\1 OK\r\n", data))
    try:
        answer = connection.next_event()
    except h11.ProtocolError:
        return None
    if not isinstance(answer, h11.InformationalResponse) or answer.status_code != SWITCHING:
        return None
    fields = frozenset((bytes(name), bytes(value)) for name, value in answer.headers)
    return Reading("complete", SWITCHING, fields, surplus=connection.trailing_data[0])
