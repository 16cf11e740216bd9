"""Checks that every port is free before anything is started."""

import socket

from stack.exceptions import StackFailed
from stack.settings import HOST, StackSettings


def check_ports(settings: StackSettings) -> None:
    """Raises StackFailed if a port is in use, or given to two services."""
    seen: dict[int, str] = {}
    for name, port in settings.ports.items():
        if port in seen:
            raise StackFailed(f"{name} and {seen[port]} are both {port}")
        seen[port] = name
        if not is_free(port):
            raise StackFailed(f"port {port} is in use: stop what uses it, or set {name} to a free one")


def is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections do not block a port
        try:
            tried.bind((HOST, port))
        except OSError:
            return False
    return True
