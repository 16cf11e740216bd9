"""schemathesis against a running stack: all its checks, with the exceptions of `schemathesis.toml`."""

import re
import subprocess
import sys
from pathlib import Path

from shared.testing.programs import unmeasured
from stack.catalogue import ROOT
from stack.testing import Demo

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"

# These are refused with 401 whoever asks: nobody guesses a refresh token.
GUESSED = {"POST /auth/refresh"}


def fuzz(demo: Demo, folder: Path, *options: str) -> int:
    """All checks of schemathesis: how many cases it asked. Fails with what it found."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(CONFIGURATION),
        "run",
    ]
    command += [f"{demo.gateway}/openapi.json", "--continue-on-failure", *options]
    # `ignored_auth` takes away API keys, not tokens, and takes the answer for one without authentication.
    # The matrix of permissions (tests/test_authorisation.py) asks every route without any.
    command += ["--checks", "all", "--exclude-checks", "ignored_auth"]
    command += ["--request-timeout", "30"]  # a request without an answer is named, and is no test that hangs
    command += ["--generation-database", "none"]  # what one run found the next does not begin with
    hooks = {"PYTHONPATH": str(CONFIGURATION.parent), "SCHEMATHESIS_HOOKS": "schemathesis_hooks"}
    system = {"FACET_FOLDER": demo.environment["FACET_FOLDER"], "CONTRACT_URL": demo.gateway}  # for accounts
    kept = {"HYPOTHESIS_STORAGE_DIRECTORY": str(ROOT / ".hypothesis")}  # its tables of Unicode, 4 s of work
    environment = {**unmeasured(), "NO_COLOR": "1", **system, **hooks, **kept}
    done = subprocess.run(  # noqa: S603 - ours
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert " passed" in done.stdout
    assert _refused(done.stdout) <= GUESSED, done.stdout[-6000:]
    [cases] = re.findall(r"^ *(\d[\d,]*) generated", done.stdout, re.MULTILINE)
    return int(cases.replace(",", ""))


def _refused(output: str) -> set[str]:
    """Operations that let nobody in, so that nothing behind their door was asked."""
    listed = output.partition("returned only 401/403 responses")[2].partition("\U0001f4a1")[0]
    return set(re.findall(r"^ +- (\S+ \S+)$", listed, re.MULTILINE))
