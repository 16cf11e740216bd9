"""Runs a service's command where the system runs: `python -m stack.inside users users.admin grant EMAIL`.

In the embedded stack if it runs, else in the service's container under Docker Compose.
"""

import os
import shutil
import subprocess
import sys

from stack.catalogue import ROOT
from stack.exceptions import StackFailed
from stack.processes import completed
from stack.running import running
from stack.settings import load_stack_settings
from stack.terminal import Terminal


def command_for(service: str, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """A command and its environment. Raises StackFailed if neither form of the system runs."""
    found = running(load_stack_settings().folder)
    if found is not None:
        if service not in found:
            raise StackFailed(f"no service {service}: one of {', '.join(found)}")
        return [sys.executable, "-m", *words], completed(found[service])
    if composed(service):
        return ["docker", "compose", "exec", "-T", service, "python", "-m", *words], dict(os.environ)
    raise StackFailed("the system does not run: start it with make demo or docker compose up")


def composed(service: str) -> bool:
    """True if the service's container runs."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    asked = [docker, "compose", "ps", "--status", "running", "--quiet", service]
    answer = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return answer.returncode == 0 and bool(answer.stdout.strip())


def main() -> int:
    if not sys.argv[2:]:
        raise SystemExit("usage: python -m stack.inside SERVICE MODULE [ARGUMENT …]")
    try:
        command, environment = command_for(sys.argv[1], sys.argv[2:])
    except StackFailed as error:
        Terminal(sys.stderr).bad(str(error))
        return 1
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - the caller's own


if __name__ == "__main__":
    sys.exit(main())
