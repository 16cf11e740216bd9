"""The file that `facet-tune init` writes."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from loadtests.tuner import config
from loadtests.tuner.config import placeholders
from loadtests.tuner.fields import ConfigError

_COMMAND = """\
command = {command}
ready = "/"           # answered with 200 when the application is ready
# start_within = "30s" # until it is ready
cwd = {cwd}               # where the command runs, seen from this file"""
_URL = """\
url = {command}       # it runs already: it is measured as it is, and no count is tried
ready = "/"           # answered with 200 when the application is ready"""
_REQUEST = """\
[[request]]           # repeat it; weight says how often
path = {}            # may hold {{int:1-1000}}"""
_LOCUSTFILE = """\
[load]                # your own User classes instead of [[request]]
locustfile = {}"""
_FILE = """\
[app]
{app}

[slo]
p99 = "250ms"         # of all requests
errors = 0.001        # share that may fail

{load}
{tune}
[limits]              # what a configuration must not exceed
# cpus = 1            # for the application; the rest is the generator's
# memory = "1GiB"
# database_connections = 90
# connections_per_worker = 10
"""


_TUNE = """
[tune]                # the values to try for each placeholder of the command
{}
"""


def write(file: Path, command: str, path: str, locustfile: Path | None = None) -> Sequence[str]:
    """`command` may be the URL of what runs already. Returns the settings whose values the file still needs.

    Raises ConfigError, and then writes nothing.
    """
    if file.exists():
        raise ConfigError(f"{file} exists already")
    running = command.startswith(("http://", "https://"))
    here = os.path.relpath(Path.cwd(), file.parent)
    app = (_URL if running else _COMMAND).format(command=_quoted(command), cwd=_quoted(here))
    if locustfile:
        load = _LOCUSTFILE.format(_quoted(os.path.relpath(locustfile, file.parent)))
    else:
        load = _REQUEST.format(_quoted(path))
    settings = [] if running else sorted(placeholders(command) - {"workers", "port"})
    tune = _TUNE.format("\n".join(f"{name} = []" for name in settings)) if settings else ""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_FILE.format(app=app, load=load, tune=tune), encoding="utf-8")
    try:
        if not settings:
            config.load(file)
    except ConfigError:
        file.unlink()
        raise
    return settings


def _quoted(text: str) -> str:
    """TOML's strings are JSON's, but for characters beyond the basic plane."""
    return json.dumps(text, ensure_ascii=False)
