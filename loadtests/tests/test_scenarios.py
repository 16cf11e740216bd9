"""Real locust on a small real server: right answers pass, each wrong one fails the run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from market import Market, open_market

EVERYTHING_WRONG = frozenset({"browse", "read", "sell", "appraise", "withdraw", "sign_up"})


@dataclass(frozen=True, slots=True)
class Run:
    market: Market
    status: int
    output: str
    report: Path

    def failures(self) -> dict[str, str]:
        """What went wrong, by route."""
        found = re.findall(r"^\d+ +((?:GET|POST|DELETE) [^:]+): (.+?) *$", self.output, re.MULTILINE)
        return dict(found)


KINDS: dict[str, tuple[Market, list[str]]] = {
    "healthy": (Market(), []),
    "wrong": (Market(EVERYTHING_WRONG), []),
    "short-lived": (Market(expires_in=1), ["--mix=appraise=5,sell=5"]),
    "no tokens": (Market(frozenset({"log_in"})), ["--max-failures=1"]),
    "open loop": (Market(), ["--arrivals=100"]),
    "refusing once": (Market(), ["--mix=sell=1", "--max-failures=0.5"]),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """All at once, because each takes its seconds."""
    folder = tmp_path_factory.mktemp("reports")
    environment = {**os.environ, "HOME": str(folder)}
    with ExitStack() as stack:
        processes = {}
        for kind, (market, options) in KINDS.items():
            stack.enter_context(open_market(market))
            market.refuse_once = kind == "refusing once"
            command = [sys.executable, "-m", "loadtests.run", "--host", market.url, "--users=3", "--rate=20"]
            command += ["--time=4", "--think=0.05", "--report", str(folder / f"{kind}.html"), *options]
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
            )
            stack.callback(process.kill)
            processes[kind] = process
        done = {}
        for kind, process in processes.items():
            output, _ = process.communicate(timeout=50)
            done[kind] = Run(KINDS[kind][0], process.returncode, output, folder / f"{kind}.html")
        yield done


def test_a_healthy_system_passes_and_every_action_happens(runs: dict[str, Run]) -> None:
    run = runs["healthy"]
    assert run.status == 0, run.output
    assert run.failures() == {}
    assert " 0 failed (0.00%), within the limit of 1.00%" in run.output
    for action in ("sign_up", "log_in", "browse", "read", "sell", "appraise", "withdraw"):
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
        "GET /items": "X-Total-Count is not the total",
        "GET /items/{id}": "500 instead of 200 (internal)",
        "GET /items/{id} (withdrawn)": "500 instead of 404 (internal)",
        "POST /items": "another price",
        "POST /items/{id}/appraisal": "the estimate is not within low and high",
    }
    assert "above the limit of 1.00%" in run.output


def test_tokens_are_renewed_before_they_end(runs: dict[str, Run]) -> None:
    run = runs["short-lived"]
    assert run.status == 0, run.output
    assert run.market.counts["refresh"] > 0
    assert run.market.counts["refused"] == 0


def test_an_answer_without_a_refresh_token_is_a_failure_within_the_given_limit(runs: dict[str, Run]) -> None:
    run = runs["no tokens"]
    assert run.failures()["POST /auth/token"] == "no refresh_token"
    assert run.status == 0


def test_a_refused_token_is_a_failure_and_another_is_fetched(runs: dict[str, Run]) -> None:
    run = runs["refusing once"]
    assert run.failures() == {"POST /items": "401 instead of 201 (token_invalid)"}
    assert run.market.counts["refused"] == 1
    assert run.market.counts["refresh"] == 1
    assert run.market.counts["sell"] > 1


def test_open_loop_keeps_its_rate(runs: dict[str, Run]) -> None:
    """Some 100 actions a second for some 3 seconds, whatever the three users would do by themselves."""
    run = runs["open loop"]
    assert run.status == 0, run.output
    assert "never sent" not in run.output
    assert sum(run.market.counts.values()) > 60
