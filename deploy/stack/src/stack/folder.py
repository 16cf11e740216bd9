"""The stack's folder: private, used by one stack at a time, with the secrets made on the first start."""

import contextlib
import fcntl
import os
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.secrets import make_secrets
from stack.catalogue import ROOT
from stack.exceptions import StackFailed

PLAN = ROOT / "deploy" / "secrets.toml"
REDIS_USERS = ROOT / "deploy" / "redis.acl"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for as long as the block runs. Raises StackFailed when another stack holds it.

    The kernel lets go of the lock however this process ends.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise StackFailed(f"cannot write {folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise StackFailed(f"{folder} is in use by another stack (process {holder})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def emptied(folder: Path) -> Path:
    """An empty folder for the logs or temporary files of one run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder


def secrets_in(folder: Path, plan: Path = PLAN) -> Path:
    """Makes the missing secrets and returns their folder. Raises StackFailed for a damaged one."""
    kept = folder / "secrets"
    kept.mkdir(exist_ok=True, mode=0o700)
    wanted = tomllib.loads(plan.read_text())
    make_secrets(kept, wanted)
    for holder, files in wanted.items():
        for name, kind in files.items():
            if not _good((kept / holder / name).read_bytes(), kind):
                raise StackFailed(f"{kept / holder / name} is damaged: restore it, or delete {folder}")
    return kept


def redis_users(secrets: Path, rules: Path = REDIS_USERS) -> str:
    """`redis.acl` with the passwords in their places."""
    text = rules.read_text()
    for file in (secrets / "redis").iterdir():
        text = text.replace(f"{{{file.name}}}", file.read_text().strip())
    return text


def _good(secret: bytes, kind: str) -> bool:
    if kind != "ec-p256":
        return bool(secret.strip())
    try:
        load_pem_private_key(secret, None)
    except ValueError:
        return False
    return True
