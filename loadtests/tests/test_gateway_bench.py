"""Our real gateway on the rig, beside nginx; the other peers need an environment that tests do not make."""

import os
from pathlib import Path

import pytest

from loadtests.bench import environment, rig
from loadtests.bench.contestants import CONTESTANTS, FACET
from loadtests.bench.gateway import BODY, Bench, main
from loadtests.bench.rig import Cores, Rig

needs = pytest.mark.skipif(
    not (rig.find("nginx") and rig.find("wrk") and environment.OURS.exists()),
    reason="needs nginx, wrk and our services installed",
)


@needs
def test_our_gateway_starts_keeps_the_contract_and_answers_under_load() -> None:
    core = min(os.sched_getaffinity(0))
    with Rig(Cores(core, core)) as used:
        bench = Bench(used, [CONTESTANTS[FACET], CONTESTANTS["nginx"]])
        stage = bench.prepare()
        sample = bench.measure(FACET, seconds=1)
        assert sample.failed == 0
        assert sample.requests > 0
        bench.check_logs(stage)
        pids = used.pids()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_the_upstreams_answer_has_two_hundred_bytes() -> None:
    assert len(BODY) == 200


def test_an_unknown_peer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--peers", "apache"])
    assert "invalid choice: 'apache'" in capsys.readouterr().err
