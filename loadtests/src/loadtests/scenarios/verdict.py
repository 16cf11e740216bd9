"""Whether a run was good: locust's exit status, and the line that says why."""

from typing import Any

from locust.env import Environment

NOTHING = 3  # requests below which nothing was measured


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
        return f"load: {requests} requests, so nothing was measured", False
    share = failures / requests
    good = share <= allowed
    word = "within" if good else "above"
    return (
        f"load: {requests} requests, {failures} failed ({share:.2%}), {word} the limit of {allowed:.2%}",
        good,
    )
