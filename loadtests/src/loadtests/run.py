"""`python -m loadtests.run`: the journey mix against whatever is running, and a verdict."""

import argparse
import os
import sys
from pathlib import Path

from loadtests.target import absence, refusal

SCENARIOS = Path(__file__).parent / "scenarios"
HOST = "http://127.0.0.1:8000"


def main(arguments: list[str] | None = None) -> None:
    """Becomes locust. Exit status 1 when too much failed or nothing could be measured.

    What it does not know is passed on: `--processes 2`, `--csv out`, `--master` and the like.
    """
    given, locusts = _parser().parse_known_args(arguments)
    if reason := refusal(given.host, mine=given.target_is_mine) or absence(given.host):
        raise SystemExit(reason)
    given.report.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "locust", *locust_arguments(given), *locusts]
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606 - signals then go to locust itself


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m loadtests.run", description=__doc__)
    add = parser.add_argument
    add("--host", default=HOST, help="default: %(default)s")
    add("--users", type=int, default=20, help="people at once (default: %(default)s)")
    add("--rate", type=float, default=5, help="people who come in a second (default: %(default)s)")
    add("--time", default="60s", help="60, 90s, 5m (default: %(default)s)")
    add("--mix", help='weights of the actions: "browse=60,read=40"')
    add("--think", help='seconds between actions: "0.5-2"')
    add("--steps", type=int, help="a staircase of this many stairs, instead of all at once")
    add(
        "--arrivals", type=float, help="open loop: this many actions a second, latency from when each was due"
    )
    add("--schedule", choices=("poisson", "constant"), help="open loop: random or equal gaps")
    add("--seed", type=int, help="open loop: of the schedule (default: 1)")
    add("--late", type=float, help="open loop: seconds of waiting for a user that count as a failure")
    add("--web", action="store_true", help="locust's web page at http://127.0.0.1:8089 instead")
    add("--max-failures", help="share of failed requests above which the status is 1 (default: 0.01)")
    add("--target-is-mine", action="store_true", help="allow a host other than this machine")
    add("--report", type=Path, default=Path("reports/load.html"), help="HTML report (default: %(default)s)")
    return parser


def locust_arguments(given: argparse.Namespace) -> list[str]:
    users = "shopper.py" if given.arrivals is None else "arrivals.py"
    files = [users] if given.steps is None else [users, "steps.py"]
    passed = [
        "--locustfile",
        ",".join(str(SCENARIOS / file) for file in files),
        *(["--web-host=127.0.0.1"] if given.web else ["--headless", "--only-summary"]),
        "--loglevel=WARNING",
        "--stop-timeout=20",
        f"--host={given.host.rstrip('/')}",
        f"--users={given.users}",
        f"--spawn-rate={given.rate:g}",
        f"--run-time={given.time}",
        f"--html={given.report}",
    ]
    names = ("mix", "think", "steps", "arrivals", "schedule", "seed", "late", "max_failures")
    optional = {name: getattr(given, name) for name in names}
    passed += [f"--{name.replace('_', '-')}={value}" for name, value in optional.items() if value is not None]
    return [*passed, "--target-is-mine"] if given.target_is_mine else passed


if __name__ == "__main__":
    main()
