"""Facet's own stack as a target: the counts that were asked for run, and nothing is left."""

import contextlib
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

import psutil
import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.cli import main
from loadtests.tuner.config import Cpus
from loadtests.tuner.measuring import command
from loadtests.tuner.measuring.embedded import SERVICES, EmbeddedTarget
from loadtests.tuner.measuring.journeys import SAMPLE
from loadtests.tuner.model import Configuration, Limits, Slo

ANYWHERE = Cpus(frozenset(), frozenset())


@pytest.mark.timeout(240)
@pytest.mark.skipif(not (ROOT / ".venv/.services").exists(), reason="the services are not installed")
def test_the_counts_asked_for_serve_the_journeys_of_signed_in_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more logins than usual: without one of them `users` has nothing to do, and no share."""
    monkeypatch.setattr(command, "WARM_UPS", 1)
    target = EmbeddedTarget(SERVICES, Slo(0.5), Limits(1), ANYWHERE)
    logins = [
        replace(each, weight=15) if each.path == "/auth/token" else each for each in target.app.requests
    ]
    target.fork_server = True  # starts are most of this test
    target.listings = 200
    target.app = replace(target.app, requests=logins)
    try:
        target.roll_out(Configuration.of({**dict.fromkeys(SERVICES, 1), "items": 2}))
        assert target._process is not None
        family = psutil.Process(target._process.pid).children(recursive=True)
        assert _listed(target._port) >= SAMPLE + 200, "and what the warm-up lists"
        taken = target.measure(30, 3, 1)
        assert taken.errors == 0
        assert taken.requests == 90
        shares = taken.resources.worker_shares
        counts = {name: len(of) for name, of in shares.items()}
        assert counts == {"gateway": 1, "users": 1, "items": 2, "ml-predict": 1}
        assert all(taken.resources.service_cpus.values())
        assert (taken.resources.app_cpus or 0) > 0
        assert (taken.resources.database_connections or 0) >= 2, "users and items have at least one each"
        folder = target._folder
    finally:
        target.close()
    assert not [process for process in family if process.is_running()]
    assert not folder.exists()


def _listed(port: int) -> int:
    with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/items?limit=1")
        return int(connection.getresponse().headers["x-total-count"])


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["facet", "--slo", "soon", "--results", str(tmp_path)]) == 2
    assert main(["facet", "--memory", "much", "--results", str(tmp_path)]) == 2
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "facet-tune: 'soon' is no duration from 1ms to 60s: it is written 250ms or 1.5s",
        "facet-tune: 'much' is no size: it is written 512MiB or 2GiB",
    ]
