"""What a locustfile holds. A process of its own looks, because locust changes the standard library."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

_PATIENCE = 60.0  # seconds for importing it


class LocustfileError(Exception):
    """Says in one line why the file cannot be used."""


@dataclass(frozen=True, slots=True)
class Locustfile:
    """`digest` changes with its text. An open loop: all its users are those of `scenarios/open_loop.py`."""

    path: str
    users: tuple[str, ...]
    open_loop: bool
    digest: str

    @property
    def unit(self) -> str:
        """Of the load and of the capacity."""
        return "requests/s" if self.open_loop else "users"

    @property
    def loop(self) -> str:
        users = f"{', '.join(self.users)} of {Path(self.path).name}"
        if self.open_loop:
            return (
                f"Open loop, {users}: a task counts as one request, and latency from the moment it was due."
            )
        return (
            f"Closed loop, {users}: the load is the number of users, who wait for an answer before the next "
            "request, so that a stall is measured less than in an open loop."
        )


def inspect(path: Path) -> Locustfile:
    """Raises LocustfileError."""
    if not path.is_file():
        raise LocustfileError(f"locustfile {path} is not there")
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, "-m", __name__, str(path)],
        capture_output=True, text=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise LocustfileError(f"locustfile {path}: {last[0]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Locustfile(**{**found, "users": tuple(found["users"])})


def main(path: str) -> int:
    """In the process that looks."""
    from locust.util.load_locustfile import load_locustfile  # noqa: PLC0415 - it patches what others use

    from loadtests.scenarios.open_loop import OpenLoopUser  # noqa: PLC0415 - the same

    users, _ = load_locustfile(path)
    scheduled = {name for name, user in users.items() if issubclass(user, OpenLoopUser)}
    if not users:
        sys.stderr.write("it defines no User class with tasks\n")
        return 1
    if scheduled and len(scheduled) < len(users):
        sys.stderr.write(
            f"{', '.join(sorted(scheduled))} is an OpenLoopUser, {', '.join(sorted(set(users) - scheduled))} "
            "is not: a load is an open loop or a closed one\n"
        )
        return 1
    digest = sha256(Path(path).read_bytes()).hexdigest()
    found = Locustfile(path, tuple(sorted(users)), bool(scheduled), digest)
    sys.stdout.write(f"{json.dumps(asdict(found))}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
