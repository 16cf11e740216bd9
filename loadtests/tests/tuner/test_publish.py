"""The documents say what the run found, in its words: decided or not."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.chain import ChainSession
from loadtests.tuner.model import Limits, Slo
from loadtests.tuner.plan import Plan
from loadtests.tuner.publish import NAME, PARTS, long, publish, publish_picture, short, standing
from loadtests.tuner.report.picture import browser
from loadtests.tuner.simulator.chain import Chain, ChainTarget
from loadtests.tuner.summary import About, summary

MIB = 1024**2
CPU = {"gateway": 0.004, "items": 0.008}
LIMITS = Limits(1)


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    target = ChainTarget(Chain(CPU, dict.fromkeys(CPU, 60 * MIB), LIMITS), 1)
    outcome = ChainSession(target, Slo(0.25), Plan()).run()
    about = About(
        "two", Slo(0.25), LIMITS, "0123456789ab", "facet-tune facet --quick", ("A note.",), ("A fact.",)
    )
    return json.loads(json.dumps(summary(outcome, about)))  # type: ignore[no-any-return] # an object


def test_every_document_has_the_part_that_is_written() -> None:
    for file in PARTS:
        text = (ROOT / file).read_text()
        assert f"<!-- {NAME} -->" in text, file
        assert f"<!-- end {NAME} -->" in text, file


def test_a_run_that_decided_is_published_as_such(found: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "docs/figures").mkdir(parents=True)
    (tmp_path / "docs/decisions").mkdir()
    for file in PARTS:
        shutil.copy(ROOT / file, tmp_path / file)
    assert len(publish(tmp_path, found)) == len(PARTS) + 1
    assert publish(tmp_path, found) == []
    readme = (tmp_path / "README.md").read_text()
    assert f"The tuner chose on 1 CPU: gateway 1, items 1, {found['claim']:,.0f} requests/s claimed" in readme
    assert re.search(r"2n \+ 1 of each \(3\): .+ \(95% interval .+, \d+ rounds\)\.<!--", readme)
    decision = (tmp_path / "docs/decisions/0004-worker-counts-in-one-file.md").read_text()
    for words in (
        "Verdict: **",
        "below the middle of its interval).",
        "| gateway=1 items=1 |",
        "| 2n + 1 | 3 |",
        "A fact.",
        "evidence 0123456789ab",
    ):
        assert words in decision
    row = next(
        line for line in (tmp_path / "docs/patterns.md").read_text().splitlines() if "The tuner chose" in line
    )
    assert row.startswith("| `workers = (2 × CPU) + 1` |")
    assert row.endswith(" |")


def test_whether_the_claim_was_confirmed_stands_beside_it(found: dict[str, Any]) -> None:
    assert "estimated). 2n + 1" in short(found)
    assert "estimated, confirmed by a second generator). 2n + 1" in short({**found, "confirmed": True})
    assert "estimated, not confirmed by a second generator). 2n + 1" in short({**found, "confirmed": False})


def test_a_run_that_did_not_decide_is_published_as_such(found: dict[str, Any]) -> None:
    undecided = {**found, "verdict": "inconclusive", "why": "too noisy"}
    assert short(undecided).startswith("The best guess of the tuner")
    assert "the run was inconclusive" in short(undecided)
    assert "Verdict: **inconclusive**, too noisy." in long(undecided)
    nothing = {**found, "verdict": "invalid", "why": "a slow generator", "workers": None, "choice": None}
    assert short(nothing) == "The last run of the tuner was invalid: a slow generator."
    assert "Verdict: **invalid**" in long(nothing)


def test_a_decision_stands_until_another_run_decides(found: dict[str, Any], tmp_path: Path) -> None:
    undecided = {**found, "verdict": "inconclusive", "why": "too noisy", "evidence": "fedcba987654"}
    assert standing(tmp_path, undecided) is None
    raw = tmp_path / "docs/figures/tuning.json"
    raw.parent.mkdir(parents=True)
    raw.write_text(json.dumps(found))
    assert standing(tmp_path, found) is None
    assert standing(tmp_path, undecided) == found["evidence"]
    raw.write_text(json.dumps(undecided))
    assert standing(tmp_path, undecided) is None


@pytest.mark.skipif(browser() is None, reason="no browser is installed")
def test_the_picture_is_of_the_report_and_its_caption_says_of_which(
    found: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "docs/figures").mkdir(parents=True)
    page, report = tmp_path / "docs/figures/README.md", tmp_path / "report.html"
    shutil.copy(ROOT / "docs/figures/README.md", page)
    report.write_text("<h1>A report</h1>")
    (picture,) = publish_picture(tmp_path, found, report)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (
        "<!-- picture -->The report of `facet-tune facet --quick`, the upper part.<!-- end"
        in page.read_text()
    )
