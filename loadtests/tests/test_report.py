"""The table and the JSON of a bench."""

import json
from pathlib import Path

from loadtests.bench import machine, report
from loadtests.bench.environment import ROOT
from loadtests.bench.wrk import Sample

TITLES = {"facet": "Facet", "usual": "The usual"}
SAMPLES = {
    "facet": [Sample(9000, 3, 8, 54000, 0), Sample(11000, 2, 6, 66000, 0), Sample(10000, 4, 9, 60000, 0)],
    "usual": [Sample(900, 30, 80, 5400, 0), Sample(1100, 20, 60, 6600, 0), Sample(1000, 40, 90, 6000, 0)],
}
RATIOS = report.compare(SAMPLES, "facet")


def test_the_table_shows_medians_and_how_many_times_as_fast() -> None:
    head, ours, usual = report.table(TITLES, SAMPLES, RATIOS).splitlines()
    assert "req/s" in head
    assert ours.split() == ["Facet", "10,000", "3.00", "8.00"]
    assert usual.endswith("10.0 (10.0 to 10.0)")


def test_the_json_keeps_every_round(tmp_path: Path) -> None:
    path = tmp_path / "figures/gateway.json"
    report.write(path, report.document(TITLES, SAMPLES, RATIOS, machine={"cpu": "Z80"}))
    found = json.loads(path.read_text())
    assert found["machine"] == {"cpu": "Z80"}
    ours, usual = found["results"]
    assert [taken["requests_per_second"] for taken in ours["rounds"]] == [9000, 11000, 10000]
    assert ours["facet_is_times_as_fast"] is None
    assert usual["facet_is_times_as_fast"] == {"median": 10.0, "low": 10.0, "high": 10.0}


def test_the_facts_name_the_machine_and_no_place_on_it() -> None:
    facts = machine.facts() | machine.moment()
    assert machine.steady_facts() == machine.steady_facts()
    assert machine.steady_facts().items() <= facts.items()
    assert facts["cpu"]
    assert facts["cores"] >= 1
    shown = json.dumps(facts)
    assert str(ROOT) not in shown
    assert "/" not in str(facts["cpu"]) + str(facts["nginx"]) + str(facts["wrk"])
