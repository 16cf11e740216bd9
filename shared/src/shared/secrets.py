"""Makes passwords and the signing key: `python -m shared.secrets FOLDER plan.toml`.

The plan says which files each holder gets, so that each can be given its own folder and no other:

    [users]
    users_database_password = "password"            # a new random one
    users_redis_password    = "password:redis"      # the same wherever "redis" is named
    users_signing_key       = "ec-p256"             # a PEM, for ES256

Files that exist are left alone.
"""

import secrets
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

READABLE = 0o444  # the folder is what is private: it is given to one holder


def make_secrets(folder: Path, plan: dict[str, dict[str, str]]) -> list[Path]:
    """Write what is missing and return its paths. Raises ValueError for a kind the plan must not name."""
    made = []
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shared = _existing(folder, plan)
    for holder, wanted in plan.items():
        for name, kind in wanted.items():
            path = folder / holder / name
            if path.exists():
                continue
            value = shared.setdefault(kind, _new(kind)) if ":" in kind else _new(kind)
            _write(path, value)
            made.append(path)
    return made


def _existing(folder: Path, plan: dict[str, dict[str, str]]) -> dict[str, str]:
    """Values that several holders share and one of them has already."""
    return {
        kind: (folder / holder / name).read_text()
        for holder, wanted in plan.items()
        for name, kind in wanted.items()
        if ":" in kind and (folder / holder / name).exists()
    }


def _new(kind: str) -> str:
    maker = _KINDS.get(kind.partition(":")[0])
    if maker is None:
        raise ValueError(f"no such kind of secret: {kind}")
    return maker()


def _signing_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        .decode()
    )


_KINDS: dict[str, Callable[[], str]] = {
    "password": lambda: secrets.token_urlsafe(32),
    "ec-p256": _signing_key,
}


def _write(path: Path, value: str) -> None:
    """Writes all of it or nothing, so that an interrupted start leaves no half of a key."""
    path.parent.mkdir(exist_ok=True)
    half = path.with_suffix(".part")
    half.unlink(missing_ok=True)
    half.touch(mode=0o600)
    half.write_text(value)
    half.chmod(READABLE)
    half.rename(path)


def main() -> None:
    folder, plan = Path(sys.argv[1]), tomllib.loads(Path(sys.argv[2]).read_text())
    made = make_secrets(folder, plan)
    print(f"secrets: {len(made)} made in {folder}")  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main()
