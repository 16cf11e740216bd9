"""Facet's own stack as a target: the counts that were asked for run, and nothing is left."""

from pathlib import Path

import psutil
import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.cli import main
from loadtests.tuner.config import Cpus
from loadtests.tuner.measuring.embedded import EmbeddedTarget
from loadtests.tuner.model import Configuration, Limits, Slo

ANYWHERE = Cpus(frozenset(), frozenset())


@pytest.mark.timeout(120)
@pytest.mark.skipif(not (ROOT / ".venv/.services").exists(), reason="the services are not installed")
def test_the_counts_asked_for_serve_the_public_pages() -> None:
    target = EmbeddedTarget(("gateway", "items"), Slo(0.5), Limits(1), ANYWHERE)
    try:
        target.roll_out(Configuration.of({"gateway": 1, "items": 2}))
        assert target._process is not None
        family = psutil.Process(target._process.pid).children(recursive=True)
        taken = target.measure(20, 2, 1)
        assert taken.errors == 0
        shares = taken.resources.worker_shares
        assert {name: len(of) for name, of in shares.items()} == {"gateway": 1, "items": 2}
        assert (taken.resources.app_cpus or 0) > 0
        folder = target._folder
    finally:
        target.close()
    assert not [process for process in family if process.is_running()]
    assert not folder.exists()


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["facet", "--slo", "soon", "--results", str(tmp_path)]) == 2
    assert main(["facet", "--memory", "much", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "facet-tune: 'soon' is no duration: it is written 250ms or 1.5s",
        "facet-tune: 'much' is no size: it is written 512MiB or 2GiB",
    ]
