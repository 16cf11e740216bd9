"""The file that `facet-tune init` writes."""

import json
import os
from pathlib import Path

from loadtests.tuner.fields import ConfigError

_COMMAND = """\
command = {command}
ready = "/"           # answered with 200 when the application is ready
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

[limits]              # what a configuration must not exceed
# cpus = 1            # for the application; the rest is the generator's
# memory = "1GiB"
# database_connections = 90
# connections_per_worker = 10
"""


def write(file: Path, command: str, path: str, locustfile: Path | None = None) -> None:
    """`command` may be the URL of what runs already. Raises ConfigError if the file exists."""
    if file.exists():
        raise ConfigError(f"{file} exists already")
    running = command.startswith(("http://", "https://"))
    here = os.path.relpath(Path.cwd(), file.parent)
    app = (_URL if running else _COMMAND).format(command=json.dumps(command), cwd=json.dumps(here))
    if locustfile:
        load = _LOCUSTFILE.format(json.dumps(os.path.relpath(locustfile, file.parent)))
    else:
        load = _REQUEST.format(json.dumps(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_FILE.format(app=app, load=load))
