"""`services.toml`: the one list of the services."""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

ROOT = Path(__file__).parents[4]
CATALOGUE = ROOT / "services.toml"


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FurtherProcess(Entry):
    """A process of a service beside its web server, for example a consumer of events.

    `holder` names the secrets that it is given, where those are not all of the service's.
    """

    module: str
    metrics_port: int
    holder: str | None = None


class Service(Entry):
    name: str
    folder: str
    port: int
    metrics_port: int
    database: bool = False
    processes: dict[str, FurtherProcess] = Field(default_factory=dict)

    @property
    def package(self) -> str:
        """`ml-predict` → `ml_predict`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """`ml-predict` → `ML_PREDICT`: how the names of its variables begin."""
        return self.package.upper()


def services(path: Path = CATALOGUE) -> dict[str, Service]:
    """By name, in the file's order. Raises ValidationError for an entry that is wrong."""
    listed = tomllib.loads(path.read_text())
    named = {name: {**entry, "name": name} for name, entry in listed.items()}
    return TypeAdapter(dict[str, Service]).validate_python(named)
