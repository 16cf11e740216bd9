"""What our conformance suite says of the servers that speak the Open Inference Protocol."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

from loadtests.bench import environment
from loadtests.bench.ml_start import Starter
from loadtests.bench.ml_tasks import instances
from loadtests.bench.model_servers import SERVERS, ModelServer, Task
from loadtests.bench.rig import Rig, choose_cores

SPEAKERS = ("facet-v2", "mlserver")


def verdicts(starter: Starter, names: Sequence[str], task: Task) -> dict[str, Any]:
    """Printed, and returned by server. Raises BenchFailed when one does not start."""
    found = {}
    for name in (name for name in SPEAKERS if name in names):
        found[name] = verdict = _verdict(starter, SERVERS[name], task)
        print(f"\n{SERVERS[name].title}, Open Inference Protocol: {verdict['said']}")  # noqa: T201 - the result
        print("\n".join(verdict["failed"]))  # noqa: T201 - the command's result
    return found


def _verdict(starter: Starter, server: ModelServer, task: Task) -> dict[str, Any]:
    with Rig(choose_cores()) as rig:
        port = starter.start(rig, server, task)
        example = {task.input: task.row(instances(task, 1)[0])}
        command = [str(environment.our_python()), "-m", "oip_check", f"http://127.0.0.1:{port}"]
        command += ["--model", task.name, "--example", json.dumps(example)]
        for name, value in starter.headers(server, b"{}").items():
            command += ["--header", f"{name}: {value}"] if name == "Authorization" else []
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    lines = done.stdout.splitlines()
    failed = [line for line, before in zip(lines, ["", *lines], strict=False) if _fails(line, before)]
    return {"said": lines[-1] if lines else done.stderr.strip()[-300:], "failed": failed}


def _fails(line: str, before: str) -> bool:
    """True for a failed check and for its reason, which is the line after it."""
    return line.startswith("FAILED") or (before.startswith("FAILED") and line.startswith(" "))
