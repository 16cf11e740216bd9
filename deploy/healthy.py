"""A container's health check, `python -I -S healthy.py PORT`: status 0 when `/ready` answers 200.

On a bare socket, because it runs every few seconds: importing an HTTP client costs more than asking.
"""

import socket
import sys

PATIENCE = 3.0


def ready(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as asked:
        asked.sendall(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while b"\r\n" not in answer and (piece := asked.recv(256)):
            answer += piece
    return answer.split(b" ", 2)[1:2] == [b"200"]


if __name__ == "__main__":
    try:
        sys.exit(not ready(int(sys.argv[1])))
    except OSError as error:
        sys.exit(f"{error}")
