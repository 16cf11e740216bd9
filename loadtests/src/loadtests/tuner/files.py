"""Files of a results folder: written whole or not at all, and one run at a time."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class ResultsError(Exception):
    """Says in one line what is wrong with a folder of results."""


def put(file: Path, text: str) -> None:
    """Whatever happens meanwhile, the file is as it was or as it is to be. Raises ResultsError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        beside.replace(file)
    except OSError as error:
        raise ResultsError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def kept(file: Path) -> Any:
    """What JSON the file holds. Raises ResultsError."""
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ResultsError(f"{file} is damaged ({error}): remove it, and it is made again") from error


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes the folder, which is this run's alone in the block. Raises ResultsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise ResultsError(f"{folder} is no folder: remove it, or give --results") from error
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ResultsError(f"{folder} is in use by another run: wait for it, or give --results") from error
    else:
        yield
    finally:
        os.close(lock)
