"""`facet-tune`'s file: an application, its requests and its SLO, in TOML."""

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.locustfile import Locustfile, LocustfileError, inspect
from loadtests.tuner.measuring.requests import Request, named
from loadtests.tuner.model import Limits, Slo

_SECTIONS = {
    "app": {"name", "command", "url", "ready", "env", "cwd"},
    "slo": {"p50", "p90", "p95", "p99", "errors"},
    "limits": {"cpus", "memory", "database_connections", "connections_per_worker", "max_workers"},
    "state": {"reset"},
    "tune": None,  # any names: they are those of the command's placeholders
    "values": None,  # any names: they are those of the requests' placeholders
    "load": {"locustfile"},
    "request": {field.name for field in fields(Request)},
}
_MEMORY = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class ConfigError(Exception):
    """Says in one line what is wrong with the file."""


@dataclass(frozen=True, slots=True)
class Cpus:
    """Which CPUs the application and the generator get."""

    target: frozenset[int]
    load: frozenset[int]

    @property
    def shared(self) -> bool:
        return bool(self.target & self.load)


def load(path: Path) -> App:
    """Raises ConfigError."""
    try:
        given = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; `facet-tune init` writes one") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    _check_names(given)
    app, limits = given.get("app", {}), given.get("limits", {})
    cpus = split(limits.get("cpus"))
    knobs = {name: tuple(map(str, values)) for name, values in given.get("tune", {}).items()}
    url = _url(app)
    if url and (useless := sorted({"tune", "state"} & set(given))):
        raise ConfigError(f"[{useless[0]}] does not apply to a url: the application is measured as it runs")
    per_worker = limits.get("connections_per_worker")
    values = {name: tuple(map(str, listed)) for name, listed in given.get("values", {}).items()}
    return App(
        name=app.get("name", path.stem),
        command="" if url else _command(app, knobs),
        url=url,
        knobs=knobs,
        requests=[] if "load" in given else _requests(given.get("request", []), values),
        locustfile=_locustfile(given, path.parent),
        values=values,
        slo=_slo(given.get("slo", {})),
        limits=Limits(
            cpus=len(cpus.target),
            memory=size(limits["memory"]) if "memory" in limits else None,
            database_connections=limits.get("database_connections"),
            connections_per_worker={"app": per_worker} if per_worker else {},
            max_workers=limits.get("max_workers"),
        ),
        ready=app.get("ready", "/"),
        cwd=(path.parent / app.get("cwd", ".")).resolve(),
        env={name: str(value) for name, value in app.get("env", {}).items()},
        reset=str(given.get("state", {}).get("reset", "")),
        target_cpus=frozenset() if url else cpus.target,  # where it runs is not ours to say
        load_cpus=cpus.load,
    )


def split(wanted: int | None, allowed: Sequence[int] | None = None) -> Cpus:
    """The last CPU is the generator's, unless the application is to have all. Raises ConfigError."""
    mine = sorted(os.sched_getaffinity(0) if allowed is None else allowed)
    count = max(1, len(mine) - 1) if wanted is None else wanted
    if not 1 <= count <= len(mine):
        raise ConfigError(f"[limits] cpus = {count}: this machine gives {len(mine)}")
    return Cpus(frozenset(mine[:count]), frozenset(mine[count:] or mine))


def duration(text: str) -> float:
    """Seconds of `250ms` or `1.5s`. Raises ConfigError."""
    found = re.fullmatch(r"([\d.]+)\s*(ms|s)", text)
    if not found:
        raise ConfigError(f"{text!r} is no duration: it is written 250ms or 1.5s")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _check_names(given: Mapping[str, Any]) -> None:
    for section, content in given.items():
        if section not in _SECTIONS:
            raise ConfigError(f"[{section}] is unknown; there are {', '.join(_SECTIONS)}")
        for entry in content if isinstance(content, list) else [content]:
            known = _SECTIONS[section]
            if known is not None and (unknown := set(entry) - known):
                raise ConfigError(f"[{section}] has no {', '.join(sorted(unknown))}")


def _url(app: Mapping[str, Any]) -> str:
    """Of an application that runs already; empty if there is none."""
    if "url" not in app:
        return ""
    if other := sorted({"command", "cwd", "env"} & set(app)):
        raise ConfigError(f"[app] url runs already, without {', '.join(other)} of the tuner's")
    parts = urlsplit(str(app["url"]))
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigError(f"[app] url {app['url']!r} is written http://127.0.0.1:8000, without a path")
    return f"{parts.scheme}://{parts.netloc}"


def _command(app: Mapping[str, Any], knobs: Mapping[str, Sequence[str]]) -> str:
    command = str(app.get("command", ""))
    for name in ("workers", "port"):
        if f"{{{name}}}" not in command:
            raise ConfigError(
                f"[app] command holds no {{{name}}}: a count that cannot be set cannot be tuned. To measure "
                'it as it runs, start it yourself and give url = "http://127.0.0.1:8000" instead of command'
            )
    named = set(re.findall(r"\{(\w+)\}", command)) - {"workers", "port"}
    if missing := named ^ {name for name, values in knobs.items() if values}:
        raise ConfigError(
            f"{', '.join(sorted(missing))}: must stand in the command as {{name}} and in [tune]"
        )
    return command


def _requests(given: Sequence[Mapping[str, Any]], values: Mapping[str, Sequence[str]]) -> list[Request]:
    if not given:
        raise ConfigError("there is no load: a [[request]] or [load] locustfile is needed")
    for request in given:
        if not str(request.get("path", "")).startswith("/"):
            raise ConfigError("a [[request]] needs a path that begins with /")
    requests = [Request(**request) for request in given]
    used = {name for request in requests for text in request.texts for name in named(text)}
    if missing := used - {name for name, listed in values.items() if listed}:
        raise ConfigError(f"{', '.join(sorted(missing))}: a request uses it, but [values] does not give any")
    return requests


def _locustfile(given: Mapping[str, Any], folder: Path) -> Locustfile | None:
    """Its path is seen from the file."""
    if "load" not in given:
        return None
    name = str(given["load"].get("locustfile", ""))
    if not name:
        raise ConfigError("[load] needs a locustfile")
    if "request" in given:
        raise ConfigError("[load] locustfile and [[request]] exclude each other: the load is one of them")
    try:
        return inspect((folder / name).resolve())
    except LocustfileError as error:
        raise ConfigError(f"[load] {error}") from error


def _slo(given: Mapping[str, Any]) -> Slo:
    percentiles = [name for name in given if name.startswith("p")]
    if len(percentiles) != 1:
        raise ConfigError('[slo] needs exactly one percentile, such as p99 = "250ms"')
    name = percentiles[0]
    return Slo(duration(str(given[name])), float(name[1:]), float(given.get("errors", 0.001)))


def size(text: str) -> int:
    """Bytes of `512MiB` or `2GiB`. Raises ConfigError."""
    found = re.fullmatch(r"([\d.]+)\s*(KiB|MiB|GiB)", str(text))
    if not found:
        raise ConfigError(f"{text!r} is no size: it is written 512MiB or 2GiB")
    return math.floor(float(found[1]) * _MEMORY[found[2]])
