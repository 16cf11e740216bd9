"""Whether a run was good: locust's exit status, and the line that says why."""

from dataclasses import dataclass
from typing import Any

from locust.env import Environment

NOTHING = 3  # requests below which nothing was measured


@dataclass(slots=True)
class Load:
    kind: str = "load"


LOAD = Load()  # of this process: it runs one kind


def judge(environment: Environment, **_: Any) -> None:
    """Status 1 when more than `--max-failures` of the requests failed, or when there were hardly any."""
    total = environment.stats.total
    allowed = environment.parsed_options.max_failures if environment.parsed_options else 0.0
    line, good = verdict(total.num_requests, total.num_failures, allowed)
    environment.process_exit_code = 0 if good else 1
    # Below locust's tables, which are printed between these two events.
    environment.events.quit.add_listener(lambda **_: print(line, flush=True))  # noqa: T201 - the command's result


def verdict(requests: int, failures: int, allowed: float) -> tuple[str, bool]:
    if requests < NOTHING:
        return f"{LOAD.kind}: {requests} requests, so nothing was measured", False
    share = failures / requests
    good = share <= allowed
    failed = f"{failures} failed ({share:.2%})"
    where = f"{'within' if good else 'above'} the limit of {allowed:.2%}"
    return f"{LOAD.kind}: {requests} requests, {failed}, {where}", good
