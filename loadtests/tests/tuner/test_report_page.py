"""The report opens in a real browser, without a network, and draws what was found."""

import json
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.model import AS_IT_RUNS, Configuration, Limits, Slo
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.plan import Plan
from loadtests.tuner.regret import regrets
from loadtests.tuner.report.figures import all_figures
from loadtests.tuner.report.page import page
from loadtests.tuner.report.picture import BROWSERS, browser, rendered
from loadtests.tuner.report.style import named
from loadtests.tuner.session import Session
from loadtests.tuner.simulator.system import Noise, System
from loadtests.tuner.simulator.target import SimulatedTarget
from loadtests.tuner.summary import About, summary
from loadtests.tuner.trial import Trial

MIB = 1024**2
LIMITS = Limits(4, memory=900 * MIB, database_connections=200, connections_per_worker={"app": 10})
SYSTEM = System(
    cores=4, cpu=0.008, wait=0.02, blocking=True, contention=0.006, coherency=0.0006, uneven=0.01,
    memory=55 * MIB, noise=Noise(), limits=LIMITS,
)  # fmt: skip
ABOUT = About("a <simulated> shop", Slo(0.25), LIMITS, "0123456789ab", "facet-tune run shop.toml --seed 1")


@lru_cache
def _outcome() -> Outcome:
    return Session(SimulatedTarget(SYSTEM, 1), ABOUT.slo, Plan()).run()


def _drawn(html: str, folder: Path) -> str:
    """The document after its scripts have run."""
    if browser() is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    file = folder / "report.html"
    file.write_text(html)
    return rendered(file)


def test_every_plot_is_drawn_with_units_and_legends(tmp_path: Path) -> None:
    seen = _drawn(page(_outcome(), ABOUT), tmp_path)
    headings = re.findall(r"<h2>([^<]+)</h2>", seen)
    assert headings == [
        "What the rules of thumb would cost (n = 4 CPUs)", "Capacity at the SLO", "Scalability law",
        "Latency against load", "Goodput against offered load", "Requests of each worker", "Memory",
        "Under overload", "Rejected", "Repeat it",
    ]  # fmt: skip
    assert seen.count('class="main-svg"') >= 6
    titles = set(re.findall(r'class="[xy]title"[^>]*>([^<]+)<', seen))
    assert titles >= {"workers", "requests/s within the SLO", "p99, ms", "memory (PSS), MiB"}
    legends = set(re.findall(r'class="legendtext"[^>]*>([^<]+)<', seen))
    assert legends >= {"chosen", "held out, measured", "SLO", "limit", "equal share"}


def test_the_report_asks_for_nothing_from_outside() -> None:
    html = page(_outcome(), ABOUT)
    tags = re.findall(r"<(?:script|link|img|iframe)\b[^>]*>", html)
    assert not [tag for tag in tags if "src=" in tag or "href=" in tag]


def test_the_claim_stands_before_the_estimate() -> None:
    outcome = _outcome()
    assert outcome.choice is not None
    text = re.sub(r"<[^>]+>", "", page(outcome, ABOUT))
    estimate = outcome.capacities()[outcome.choice]
    assert f"Claimed capacity: {outcome.claim:,.1f} requests/s, the lower end" in text
    assert f"the best estimate is {estimate:,.1f}." in text


def test_names_are_text_and_not_markup() -> None:
    html = page(_outcome(), ABOUT)
    assert "a &lt;simulated&gt; shop" in html
    assert "<simulated>" not in html


def test_a_run_that_found_nothing_has_a_report_too(tmp_path: Path) -> None:
    empty = Outcome(Verdict.INVALID, "no configuration meets the SLO at any rate")
    seen = _drawn(page(empty, ABOUT), tmp_path)
    assert "no configuration meets the SLO" in seen


def test_the_regret_of_the_rules_of_thumb_is_what_the_system_says() -> None:
    outcome = _outcome()
    assert outcome.choice is not None
    best = SYSTEM.capacity(outcome.choice.total_workers, ABOUT.slo)
    for regret in regrets(outcome, LIMITS):
        assert regret.lost is not None
        truth = 1 - SYSTEM.capacity(regret.workers, ABOUT.slo) / best
        assert regret.lost == pytest.approx(truth, abs=0.05)


def test_a_rule_of_thumb_that_cannot_run_says_why() -> None:
    limits = replace(LIMITS, database_connections=80)
    outcome = Session(SimulatedTarget(replace(SYSTEM, limits=limits), 1), ABOUT.slo, Plan()).run()
    found = {regret.rule: regret for regret in regrets(outcome, limits)}
    assert found["2n + 1"].lost is None
    assert found["2n + 1"].instead == "90 database connections of 80"


def test_the_summary_is_json_and_has_the_intervals() -> None:
    found = json.loads(json.dumps(summary(_outcome(), ABOUT)))
    assert found["verdict"] == "decided"
    chosen = next(c for c in found["capacities"] if c["configuration"] == str(found["workers"]["app"]))
    low, high = chosen["interval"]
    assert low < chosen["requests_per_second"] < high
    assert found["stress"]
    assert Configuration.of(found["workers"]["app"]) == _outcome().choice


def test_configurations_are_named_as_people_say_it() -> None:
    keys = (Configuration.of(1), Configuration.of(2, pool=5), Configuration.of({"a": 1, "b": 2}))
    assert [named(key) for key in keys] == ["1 worker", "2 workers pool=5", "a=1 b=2"]
    assert named(Configuration.of({AS_IT_RUNS: 1})) == "as it runs"


def test_points_of_one_count_are_told_apart_by_their_settings() -> None:
    found = _outcome().screened[Configuration.of(1)]
    screened = {Configuration.of(1, pool=size): found for size in (5, 10)}
    figure = all_figures(Outcome(Verdict.DECIDED, screened=screened), ABOUT)["Capacity at the SLO"]
    assert set(figure.data[0].text) == {"pool=5", "pool=10"}
    assert figure.layout.xaxis.dtick == 1


def test_limits_show_beside_a_single_point_and_no_answer_is_good_without_being_one() -> None:
    key = Configuration.of(1)
    taken = replace(_outcome().screened[key].at_limit, answered=1.0)
    one = Capacity(taken.offered, (Trial(taken.offered, True, 0.1, (taken,)),))
    figures = all_figures(Outcome(Verdict.DECIDED, choice=key, screened={key: one}), ABOUT)
    left, right = next(line.x for line in figures["Latency against load"].data if line.name == "SLO")
    assert left < taken.offered < right
    answered, good = figures["Goodput against offered load"].data
    assert answered.y[0] >= good.y[0] > 1.0
