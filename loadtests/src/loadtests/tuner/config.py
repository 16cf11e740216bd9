"""`facet-tune`'s file: an application, its requests and its SLO, in TOML."""

import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from loadtests.tuner.fields import LONGEST_START, ConfigError, check, duration, size
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.locustfile import Locustfile, LocustfileError, inspect
from loadtests.tuner.measuring.requests import Request, named
from loadtests.tuner.model import Limits, Slo


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
        return _app(path, tomllib.loads(path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")))
    except OSError as error:
        hint = "; `facet-tune init` writes one" if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"{path}: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not UTF-8, which TOML must be, at byte {error.start}") from error
    except (tomllib.TOMLDecodeError, ConfigError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _app(path: Path, given: Mapping[str, Any]) -> App:
    check(given)
    if "app" not in given:
        raise ConfigError("it has no [app] with a command or a url; `facet-tune init` writes such a file")
    app, limits = given["app"], given.get("limits", {})
    cpus = split(limits.get("cpus"))
    knobs = {name: tuple(dict.fromkeys(map(str, values))) for name, values in given.get("tune", {}).items()}
    url = _url(app)
    if url and (useless := sorted({"tune", "state"} & set(given))):
        raise ConfigError(f"[{useless[0]}] does not apply to a url: the application is measured as it runs")
    per_worker, database = _connections(limits)
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
            database_connections=database,
            connections_per_worker={"app": per_worker} if per_worker else {},
            max_workers=limits.get("max_workers"),
        ),
        ready=app.get("ready", "/"),
        start_within=duration(app["start_within"], LONGEST_START) if "start_within" in app else None,
        cwd=(path.parent / app.get("cwd", ".")).resolve(),
        env={name: str(value) for name, value in app.get("env", {}).items()},
        reset=given.get("state", {}).get("reset", ""),
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


def _connections(limits: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Of each worker, and of the database."""
    each, most = limits.get("connections_per_worker"), limits.get("database_connections")
    if (each is None) != (most is None):
        raise ConfigError("[limits] database_connections and connections_per_worker need each other")
    if each is not None and most is not None and each > most:
        raise ConfigError(
            f"[limits] connections_per_worker = {each} must be at most database_connections = {most}"
        )
    return each, most


def _url(app: Mapping[str, Any]) -> str:
    """Of an application that runs already; empty if there is none."""
    if "url" not in app:
        return ""
    if other := sorted({"command", "cwd", "env", "start_within"} & set(app)):
        raise ConfigError(f"[app] url runs already, without {', '.join(other)} of the tuner's")
    refused = f"[app] url = {json.dumps(app['url'])} is written http://127.0.0.1:8000, without a path"
    try:
        parts = urlsplit(app["url"])
        _ = parts.port
    except ValueError as error:
        raise ConfigError(f"{refused} ({error})") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ConfigError(refused)
    if "@" in parts.netloc:
        raise ConfigError("[app] url holds no name and password: give the requests an Authorization header")
    return f"{parts.scheme}://{parts.netloc}"


def _command(app: Mapping[str, Any], knobs: Mapping[str, Sequence[str]]) -> str:
    command: str = app.get("command", "")
    if "workers" in knobs:
        raise ConfigError("[tune] workers: the tuner chooses the counts; [limits] max_workers bounds them")
    for name in ("workers", "port"):
        if f"{{{name}}}" not in command:
            raise ConfigError(
                f"[app] command holds no {{{name}}}: a count that cannot be set cannot be tuned. To measure "
                'it as it runs, start it yourself and give url = "http://127.0.0.1:8000" instead of command'
            )
    named = placeholders(command) - {"workers", "port"}
    if missing := named ^ {name for name, values in knobs.items() if values}:
        raise ConfigError(
            f"{', '.join(sorted(missing))}: must stand in the command as {{name}} and in [tune]"
        )
    return command


def placeholders(command: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", command))


def _requests(given: Sequence[Mapping[str, Any]], values: Mapping[str, Sequence[str]]) -> list[Request]:
    if not given:
        raise ConfigError("there is no load: a [[request]] or [load] locustfile is needed")
    for number, request in enumerate(given, 1):
        if "path" not in request:
            raise ConfigError(f"[[request]] {number} needs a path, which begins with /")
    requests = [Request(**request) for request in given]
    used = {name for request in requests for text in request.texts for name in named(text)}
    if missing := used - {name for name, listed in values.items() if listed}:
        name = min(missing)
        raise ConfigError(
            f"a request uses {{{name}}}, but [values] has no such list; text that is no placeholder is "
            f"written {{ {name} }}"
        )
    return requests


def _locustfile(given: Mapping[str, Any], folder: Path) -> Locustfile | None:
    """Its path is seen from the file."""
    if "load" not in given:
        return None
    name = given["load"].get("locustfile", "")
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
    return Slo(duration(given[name]), float(name[1:]), float(given.get("errors", 0.001)))
