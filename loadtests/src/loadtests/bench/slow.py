"""A peer that reads at a rate, so that whoever sends to it has to wait."""

import socket
import time

CHUNK = 65_536


def read_slowly(connection: socket.socket, length: int, rate: int) -> int:
    """Reads `length` bytes at `rate` bytes a second; returns how many came before the end."""
    got, began = 0, time.monotonic()
    while got < length and (data := connection.recv(min(CHUNK, length - got))):
        got += len(data)
        ahead = got / rate - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
    return got
