"""Our real gateway on the rig, beside nginx; the other peers need an environment that tests do not make."""

import os
from pathlib import Path

import pytest

from loadtests.bench import environment, gateway_page, rig
from loadtests.bench.contestants import FACET
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.gateway import SECTIONS, main
from loadtests.bench.gateway_sections import memory, stages, tables
from loadtests.bench.gateway_setup import BODY, Setup
from loadtests.bench.memory import Memory
from loadtests.bench.rig import Cores, Rig
from loadtests.bench.rounds import Plan

needs = pytest.mark.skipif(
    not (rig.find("nginx") and rig.find("wrk") and environment.OURS.exists()),
    reason="needs nginx, wrk and our services installed",
)
CORE = min(os.sched_getaffinity(0))


@needs
def test_our_gateway_starts_keeps_the_contract_and_answers_under_load() -> None:
    with Rig(Cores(CORE, CORE)) as used:
        setup = Setup(used)
        titles = setup.start_all(setup.peers(FACET, "nginx"))
        found = setup.compare("a case", titles, setup.load(), Plan(rounds=2, seconds=1, warm_up=1))
        setup.check_logs()
        pids = used.pids()
    assert [result["name"] for result in found["results"]] == [FACET, "nginx"]
    assert "| nginx, tokens not checked" in gateway_page.text(
        {"date": "now", "machine": {"cpu": "Z80", "software": {"ours": {"python": "3"}}}, "cases": [found]}
    )
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


@needs
def test_streams_pass_both_ways_whole_and_are_not_kept_in_memory() -> None:
    size, rate = 40_000_000, 1_000_000_000
    with Rig(Cores(CORE, CORE)) as used:
        setup = Setup(used)
        memory.start_streaming(setup, size, rate)
        measured = Memory(used.pid(FACET))
        measured.start()
        memory.down(setup, size, rate)
        memory.up(setup, size)
        assert measured.growth() < size / 2


@needs
def test_a_feature_is_switched_off_for_a_variant_and_not_for_the_others() -> None:
    """Without authentication nobody is refused; `start` has each one checked for what it should do."""
    with Rig(Cores(CORE, CORE)) as used:
        setup = Setup(used)
        setup.start(stages.variant("authenticate", "authenticate"))
        with pytest.raises(BenchFailed, match="no token got 200"):
            setup.start(stages.variant("metrics", "authenticate", checks_tokens=True))


def test_the_upstreams_answer_has_two_hundred_bytes() -> None:
    assert len(BODY) == 200


def test_a_table_has_as_many_routes_as_were_asked_for(tmp_path: Path) -> None:
    assert tables.many(tmp_path, 100).read_text().count("[[route]]") == 100


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "peers,apache"])
    assert f"no section 'apache': {', '.join(SECTIONS)}" in capsys.readouterr().err
