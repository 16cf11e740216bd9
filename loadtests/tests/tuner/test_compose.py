"""What Compose is told, and how its containers are counted together."""

import re
import tomllib

import pytest

from loadtests.bench.environment import ROOT
from loadtests.tuner.config import Cpus
from loadtests.tuner.measuring.compose import ComposeTarget, override
from loadtests.tuner.measuring.embedded import POOLS, ROLE, SERVICES, connections
from loadtests.tuner.measuring.processes import Use, together
from loadtests.tuner.model import Configuration, Limits, RollOutFailed, Slo


def test_every_service_gets_its_count() -> None:
    told = override({"gateway": 2, "ml-predict": 3}, {1, 0})["services"]
    assert told["gateway"]["environment"] == {"GATEWAY_WORKERS": "2"}
    assert told["ml-predict"]["environment"] == {"ML_PREDICT_WORKERS": "3"}
    assert told["users"]["environment"] == {"USERS_WORKERS": "1", "USERS_HASH_THREADS": "2"}
    assert override({}, ())["services"]["users"]["environment"] == {"USERS_WORKERS": "1"}


def test_a_pool_size_reaches_the_services_with_a_database() -> None:
    told = override({}, (), {"pool": "7"})["services"]
    assert told["items"]["environment"] == {"ITEMS_WORKERS": "1", "ITEMS_DATABASE_POOL_SIZE": "7"}
    assert told["users"]["environment"]["USERS_DATABASE_POOL_SIZE"] == "7"
    assert told["gateway"]["environment"] == {"GATEWAY_WORKERS": "1"}


def test_checks_that_no_start_waits_for_are_seldom() -> None:
    seldom = {name for name, given in override({}, ())["services"].items() if "healthcheck" in given}
    text, _, locust = (ROOT / "docker-compose.yml").read_text().partition("\n  locust:")
    waited_for = set(re.findall(r"([\w-]+): \{condition: service_healthy\}", text))
    checked = set(re.findall(r"\n  ([\w-]+):(?:(?!\n  [\w-]+:).)*?\n    healthcheck:", text, re.DOTALL))
    assert waited_for == {"postgres", "redis"}
    assert seldom == checked - waited_for
    assert "healthcheck" not in locust, "and nothing after it"


def test_workers_and_other_processes_share_the_connections() -> None:
    assert connections(SERVICES, 90, []) == 90 - 3 * 5, "two relays and a consumer"
    assert connections(["items"], 90, [5, 10]) == 90 - 4 * 10, "and the worker of users"
    provision = (ROOT / "shared/src/shared/provision.py").read_text()
    assert f"CONNECTIONS = {ROLE}\n" in provision


def test_the_services_are_those_of_the_catalogue() -> None:
    listed = tomllib.loads((ROOT / "services.toml").read_text())
    assert set(SERVICES) == set(listed)
    assert set(POOLS) == {name for name, entry in listed.items() if entry.get("database")}


def test_containers_are_counted_together() -> None:
    items = Use(1.0, 0.0, 100, 60, {7: 0.5, 8: 0.4}, {7: "x", 8: ""}).named("items")
    postgres = Use(0.0, 2.0, 0, 0).named("")
    both = together([items, postgres])
    assert (both.cpu, both.database, both.pss, both.largest) == (1.0, 2.0, 100, 60)
    assert both.modules == {7: "items", 8: "items"}


def test_a_machine_without_docker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    target = ComposeTarget(("items",), Slo(0.25), Limits(1), Cpus(frozenset(), frozenset()))
    try:
        with pytest.raises(RollOutFailed, match="docker cannot be run"):
            target.roll_out(Configuration.of({"items": 1}))
    finally:
        target.close()
