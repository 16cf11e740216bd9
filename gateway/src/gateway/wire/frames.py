"""WebSocket frames (RFC 6455, section 5.2), as far as a gateway has to know them: where they end."""

import os

GOING_AWAY = 1001
POLICY_VIOLATION = 1008
_CLOSE = 0x8
_FINAL_CLOSE = 0x88
_MASKED = 0x80
_TWO_BYTES = 126  # instead of a length: it follows in two bytes
_EIGHT_BYTES = 127


class FrameEnds:
    """Follows one direction of a WebSocket, because a Close frame may only stand between two frames."""

    __slots__ = ("_closed", "_head", "_left")

    def __init__(self) -> None:
        self._left = 0  # bytes of the current frame that are still to come
        self._head = b""  # of a frame whose length is not known yet
        self._closed = False

    @property
    def may_close(self) -> bool:
        """True between two frames, as long as no Close frame has passed."""
        return not (self._left or self._head or self._closed)

    def feed(self, data: bytes) -> None:
        if len(data) <= self._left:
            self._left -= len(data)
            return
        if self._head:
            data, self._head = self._head + data, b""
        place, self._left = self._left, 0
        while place < len(data):
            size = _size(data, place)
            if not size:
                self._head = data[place:]
                return
            self._closed = self._closed or data[place] & 0x0F == _CLOSE
            place += size
        self._left = place - len(data)


def _size(data: bytes, place: int) -> int:
    """Of the frame that begins at `place`, its head included; 0 if too little of it is there."""
    body = place + 2
    if len(data) < body:
        return 0
    length = data[place + 1] & ~_MASKED
    if length >= _TWO_BYTES:
        start, body = body, body + (2 if length == _TWO_BYTES else 8)
        if len(data) < body:
            return 0
        length = int.from_bytes(data[start:body])
    return body - place + (4 if data[place + 1] & _MASKED else 0) + length


def close_frame(code: int, *, masked: bool) -> bytes:
    """A Close frame without a reason; `masked` as a client has to send it (section 5.3)."""
    payload = code.to_bytes(2)
    if not masked:
        return bytes((_FINAL_CLOSE, len(payload))) + payload
    key = os.urandom(4)
    covered = bytes([byte ^ key[place] for place, byte in enumerate(payload)])
    return bytes((_FINAL_CLOSE, _MASKED | len(payload))) + key + covered
