"""What administrators decided about models, in a file that every worker follows and every start reads."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_predict.exceptions import StateUnusable, StateUnwritable


class Canary(BaseModel):
    """A version that answers a share of the requests that name no version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Annotated[str, Field(max_length=100, examples=["2"])]
    weight: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, examples=[0.1])]


class Traffic(BaseModel):
    """Who answers requests that name no version. Without `default` it is the newest version.

    The `shadow` computes the same inputs afterwards, and is only compared.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Annotated[str, Field(max_length=100, examples=["1"])] | None = None
    canary: Canary | None = None
    shadow: Annotated[str, Field(max_length=100, examples=["2"])] | None = None

    @property
    def named(self) -> set[str]:
        canary = self.canary.version if self.canary else None
        return {version for version in (self.default, canary, self.shadow) if version is not None}


class ModelState(BaseModel):
    """`loaded` are versions that were asked for, with the digest of their card; `unloaded` are not served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    loaded: dict[str, str] = {}
    unloaded: tuple[str, ...] = ()
    traffic: Traffic = Traffic()


class ServingState(BaseModel):
    """Models of which nothing is said are served as the folder has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: dict[str, ModelState] = {}

    def of(self, name: str) -> ModelState:
        return self.models.get(name, ModelState())


class StateFile:
    """Written as a whole and renamed, so that nobody reads half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> ServingState:
        """Raises StateUnusable."""
        try:
            return ServingState.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return ServingState()
        except (OSError, ValidationError) as error:
            raise StateUnusable(self._path, str(error).partition("\n")[0]) from error

    def stamp(self) -> tuple[int, int] | None:
        """Differs after each change; None while there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def change(self, name: str, change: Callable[[ModelState], ModelState]) -> ServingState:
        """Apply `change` to one model; other writers wait. Raises StateUnusable or StateUnwritable."""
        try:
            with self._locked():
                before = self.read()
                after = ServingState(models=before.models | {name: change(before.of(name))})
                fresh = self._path.with_name(self._path.name + ".new")
                with fresh.open("w", encoding="utf-8") as file:
                    file.write(after.model_dump_json(indent=2) + "\n")
                    file.flush()
                    os.fsync(file.fileno())  # else a machine that fails may leave an empty file
                fresh.replace(self._path)
        except OSError as error:
            raise StateUnwritable(os.strerror(error.errno or 0)) from error
        return after

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(self._path.name + ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
