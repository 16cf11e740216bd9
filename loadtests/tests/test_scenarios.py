"""Real locust on a small real server: right answers pass, each wrong one fails the run."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from market import Market, open_market

ACTIONS = frozenset({"browse", "read", "sell", "appraise", "withdraw", "sign_up"})
CSV = "table"  # in the folder of the reports
PATIENCE = 40.0  # seconds for all runs together
CUT_OFF = 1.0  # seconds before the end: what was due later does not count as never sent


@dataclass(slots=True)
class Run:
    """A run goes on until the market has counted `enough`, and is then ended as Ctrl-C ends it."""

    market: Market
    enough: Callable[[Counter[str]], bool]
    options: list[str] = field(default_factory=list)
    status: int | None = None
    output: str = ""
    report: Path = Path()

    def failures(self) -> dict[str, str]:
        """What went wrong, by route."""
        found = re.findall(r"^\d+ +((?:GET|POST|DELETE) [^:]+): (.+?) *$", self.output, re.MULTILINE)
        return dict(found)

    def start(self, report: Path) -> "subprocess.Popen[str]":
        self.report = report
        command = [sys.executable, "-m", "loadtests.run", "--host", self.market.url, "--report", str(report)]
        command += ["--users=3", "--rate=20", "--time=60", "--think=0.02", *self.options]
        environment = {**os.environ, "HOME": str(report.parent)}  # no locust.conf of the developer's
        # As on a busy machine: a master does not wait until its workers have said that their users are there.
        environment["LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP"] = "0"
        return subprocess.Popen(  # noqa: S603 - our own command
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=report.parent,
        )


@dataclass(slots=True)
class Hang:
    """From some moment on no answer comes in time. Enough when all users have waited for one for a while."""

    market: Market
    users: int
    asked: int = 0  # at that moment
    since: float = 0.0  # when all wait

    def __call__(self, counts: Counter[str]) -> bool:
        if not self.asked and counts["browse"] >= 20:
            self.market.delay = 20.0
            self.asked = counts["browse"]
        if self.asked and not self.since and counts["browse"] >= self.asked + self.users:
            self.since = time.monotonic()
        return self.since > 0 and time.monotonic() > self.since + CUT_OFF + 1


def every(*actions: str, times: int = 2) -> Callable[[Counter[str]], bool]:
    return lambda counts: all(counts[action] >= times for action in actions)


def kinds() -> dict[str, Run]:
    refusing = Run(Market(), every("sell", times=20), ["--mix=sell=1", "--max-failures=0.5"])
    refusing.market.refuse_once = True
    enough_waiting = Run(
        Market(delay=0.05),
        lambda counts: counts["browse"] >= 200,
        ["--mix=browse=1", "--arrivals=200", "--late=0.2", "--max-failures=1"],
    )
    return {
        "healthy": Run(Market(), every(*ACTIONS, "log_in")),
        "wrong": Run(Market(ACTIONS | {"log_in"}), every(*ACTIONS, "gone")),
        "refusing once": refusing,
        "open loop": Run(
            Market(expires_in=1),
            every("refresh", "appraise"),
            ["--arrivals=40", "--mix=appraise=1,sell=1", "--steps=2"],
        ),
        "too slow": enough_waiting,
        "two processes": Run(
            Market(),
            lambda counts: counts["browse"] >= 160,
            [
                "--arrivals=40",
                "--schedule=constant",
                "--mix=browse=1",
                "--users=4",
                "--processes=2",
                f"--csv={CSV}",
            ],
        ),
        "hanging": Run(
            hangs := Market(),
            Hang(hangs, users=3),
            ["--arrivals=20", "--mix=browse=1", "--stop-timeout=1", "--max-failures=1"],
        ),
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """All at once, because each takes its seconds."""
    folder = tmp_path_factory.mktemp("reports")
    all_runs = kinds()
    with ExitStack() as stack:
        processes: dict[str, subprocess.Popen[str]] = {}
        for kind, run in all_runs.items():
            stack.enter_context(open_market(run.market))
            processes[kind] = run.start(folder / f"{kind}.html")
            stack.callback(processes[kind].kill)
        deadline = time.monotonic() + PATIENCE
        waiting = set(all_runs)
        while waiting and time.monotonic() < deadline:
            for kind in [kind for kind in waiting if all_runs[kind].enough(all_runs[kind].market.counts)]:
                processes[kind].send_signal(signal.SIGINT)
                waiting.remove(kind)
            time.sleep(0.05)
        for kind, process in processes.items():
            if kind in waiting:
                process.kill()
            all_runs[kind].output, _ = process.communicate(timeout=30)
            all_runs[kind].status = process.returncode
        yield all_runs


def test_a_healthy_system_passes_and_every_action_happens(runs: dict[str, Run]) -> None:
    run = runs["healthy"]
    assert run.status == 0, run.output
    assert run.failures() == {}
    assert " 0 failed (0.00%), within the limit of 1.00%" in run.output
    for action in ACTIONS:
        assert run.market.counts[action] > 0, action


def test_requests_are_counted_by_route(runs: dict[str, Run]) -> None:
    names = re.findall(r"^(GET|POST|DELETE) +(/\S*)", runs["healthy"].output, re.MULTILINE)
    assert ("GET", "/items/{id}") in names
    assert ("POST", "/items/{id}/appraisal") in names
    assert not any(re.search(r"\d|\?", path) for _, path in names)


def test_there_is_a_report_to_look_at(runs: dict[str, Run]) -> None:
    assert "<html" in runs["healthy"].report.read_text()[:200].lower()


def test_each_wrong_answer_is_a_failure_and_fails_the_run(runs: dict[str, Run]) -> None:
    run = runs["wrong"]
    assert run.status == 1, run.output
    assert run.failures() == {
        "POST /users": "another email",
        "POST /auth/token": "no refresh_token",
        "GET /items": "X-Total-Count is not the total",
        "GET /items/{id}": "500 instead of 200 (internal)",
        "GET /items/{id} (withdrawn)": "500 instead of 404 (internal)",
        "POST /items": "another price",
        "POST /items/{id}/appraisal": "the estimate is not within low and high",
    }
    assert "above the limit of 1.00%" in run.output


def test_tokens_are_renewed_before_they_end(runs: dict[str, Run]) -> None:
    run = runs["open loop"]  # where tokens last a second
    assert run.market.counts["refresh"] > 0
    assert run.market.counts["refused"] == 0


def test_a_refused_token_is_a_failure_and_another_is_fetched(runs: dict[str, Run]) -> None:
    run = runs["refusing once"]
    assert run.failures() == {"POST /items": "401 instead of 201 (token_invalid)"}
    assert run.market.counts["refused"] == 1
    assert run.market.counts["refresh"] == 1
    assert run.market.counts["sell"] > 1


def test_an_open_loop_carries_out_what_is_due(runs: dict[str, Run]) -> None:
    run = runs["open loop"]
    assert run.status == 0, run.output
    assert "never sent" not in run.output


def test_an_open_loop_counts_the_wait_behind_a_slow_system(runs: dict[str, Run]) -> None:
    """Three users and 50 ms an answer are 60 a second at most; 200 are due, so all wait ever longer."""
    run = runs["too slow"]
    found = re.search(r"^GET +/items +\d+ .*?\| +(\d+) +\d+ +\d+ +(\d+) \|", run.output, re.MULTILINE)
    assert found is not None, run.output
    assert int(found[2]) > 200  # median, ms: a closed loop would say about 50
    assert re.search(r"^ +never sent +[1-9]", run.output, re.MULTILINE)
    assert "sent too late: every user was busy" in run.failures()["GET /items"]


def test_several_processes_share_the_rate_and_the_tables(runs: dict[str, Run]) -> None:
    run = runs["two processes"]
    assert run.status == 0, run.output
    with run.report.with_name(f"{CSV}_stats.csv").open(newline="") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    assert int(rows["/items"]["Request Count"]) >= 100
    history = run.report.with_name(f"{CSV}_stats_history.csv")
    with history.open(newline="") as file:
        rates = [float(row["Requests/s"]) for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    assert max(rates) < 60, "40 by both together, not by each"


def test_what_is_not_answered_at_the_end_is_a_failure_and_so_is_what_waited_for_a_user(
    runs: dict[str, Run],
) -> None:
    output = runs["hanging"].output
    assert re.search(r"unfinished: TimeoutError\(.not answered when the test ended", output), output
    assert "never sent" in output


def test_every_report_says_what_kind_of_load_it_shows(runs: dict[str, Run]) -> None:
    assert "closed loop, 0.02 s between actions: " in runs["healthy"].output
    assert "closed loop" in runs["healthy"].report.read_text()
    assert "open loop, constant, 40 actions/s, seed 1: " in runs["two processes"].output
    assert "open loop, poisson, 200 actions/s, seed 1" in runs["too slow"].report.read_text()


def test_failures_within_the_given_limit_do_not_fail_the_run(runs: dict[str, Run]) -> None:
    run = runs["too slow"]
    assert run.status == 0
    assert "within the limit of 100.00%" in run.output


def test_a_staircase_moves_the_same_users(runs: dict[str, Run]) -> None:
    run = runs["open loop"]
    assert run.status == 0, run.output
    assert run.market.counts["sign_up"] == 1  # the first of two stairs, of three users
