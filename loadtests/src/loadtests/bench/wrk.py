"""wrk, run and read. Its latencies are those of a closed loop: at full load, not at a chosen rate."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.exceptions import BenchFailed

IN_TURN = """\
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""  # the end of a script that has made `requests`, and `turn` 0
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0}
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_COUNT = re.compile(r"^\s*(\d+) requests in", re.MULTILINE)
_PERCENTILE = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
_REFUSED = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
_SOCKETS = re.compile(
    r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests a second, and milliseconds; `failed` are answers other than 2xx and 3xx, and socket errors."""

    rate: float
    p50: float
    p99: float
    requests: int
    failed: int


def parse(output: str) -> Sample:
    """Read what `wrk --latency` prints. Raises ValueError when that is not what it is."""
    rate, count = _RATE.search(output), _COUNT.search(output)
    latency = {name: float(value) * _UNITS[unit] for name, value, unit in _PERCENTILE.findall(output)}
    if rate is None or count is None or latency.keys() != {"50", "99"}:
        raise ValueError("this is not the output of wrk --latency")
    failed = sum(int(number) for pattern in (_REFUSED, _SOCKETS) for number in _numbers(pattern, output))
    return Sample(float(rate[1]), latency["50"], latency["99"], int(count[1]), failed)


def _numbers(pattern: re.Pattern[str], output: str) -> tuple[str, ...]:
    match = pattern.search(output)
    return match.groups() if match else ()


def run(url: str, *, seconds: float, connections: int, core: int, script: Path | None = None) -> Sample:
    """One thread on `core`. Raises BenchFailed when wrk fails, or an answer was not good or none came."""
    command = ["taskset", "--cpu-list", str(core), "wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s"]
    # A slow answer is a slow answer: wrk's own patience of 2 s would make it an error.
    command += ["--latency", "--timeout", "15s", *(("-s", str(script)) if script else ()), url]
    done = _output(command, timeout=seconds + 30)
    try:
        sample = parse(done)
    except ValueError as error:
        raise BenchFailed(f"{error}: {done.strip()[-300:]!r}") from None
    if not sample.requests:
        raise BenchFailed(f"no request to {url} was answered within {seconds} s")
    if sample.failed:
        raise BenchFailed(f"{sample.failed} of {sample.requests} requests to {url} under load failed")
    return sample


def _output(command: Sequence[str], timeout: float) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the command is ours
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchFailed("wrk did not come to its end") from None
    return done.stdout + done.stderr


def write_callers(script: Path, tokens: Sequence[str]) -> None:
    """A wrk script in which as many callers as there are tokens take turns."""
    listed = ",\n".join(f'"{token}"' for token in tokens)
    script.write_text(
        f"local tokens = {{\n{listed}\n}}\n"
        "local requests, turn = {}, 0\n"
        "function init(_)\n"
        "  for place, token in ipairs(tokens) do\n"
        '    requests[place] = wrk.format("GET", nil, { ["Authorization"] = "Bearer " .. token })\n'
        "  end\n"
        "end\n" + IN_TURN
    )
