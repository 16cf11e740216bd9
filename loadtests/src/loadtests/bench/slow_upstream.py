"""An upstream that reads a body slowly: `slow_upstream.py PORT BYTES_A_SECOND`. It answers how much came."""

import socket
import sys

from loadtests.bench.slow import read_slowly


def main() -> None:
    port, rate = int(sys.argv[1]), int(sys.argv[2])
    with socket.create_server(("127.0.0.1", port)) as listening:
        while True:
            connection, _ = listening.accept()
            with connection:
                _answer(connection, rate)


def _answer(connection: socket.socket, rate: int) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (data := connection.recv(65_536)):
            return
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
    got = len(rest) + read_slowly(connection, length - len(rest), rate)
    body = str(got).encode()
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )


if __name__ == "__main__":
    main()
