"""An application under a load: how it is started, what is asked of it, what it must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.tuner.measuring.locustfile import Locustfile
from loadtests.tuner.measuring.requests import Request
from loadtests.tuner.model import Limits, Slo


@dataclass(frozen=True, slots=True)
class App:
    """`command` holds `{workers}` and `{port}`, and may hold other settings by name. It is empty where the
    application runs already, at `url`, and can be measured only.
    """

    name: str
    command: str
    requests: Sequence[Request]
    slo: Slo
    limits: Limits
    ready: str = "/"
    start_within: float | None = None  # seconds until it is ready; as the target has it
    cwd: Path = Path()
    reset: str = ""  # command that removes the state which the run before left
    env: Mapping[str, str] = field(default_factory=dict)
    knobs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # values of the other settings
    target_cpus: frozenset[int] = frozenset()  # empty: wherever the generator may run too
    load_cpus: frozenset[int] = frozenset()
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)  # for `{name}` in the requests
    locustfile: Locustfile | None = None  # instead of requests
    url: str = ""

    @property
    def unit(self) -> str:
        """Of the load: requests/s, or users."""
        return self.locustfile.unit if self.locustfile else "requests/s"
