"""Several services under one budget, against all allocations measured without noise."""

from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from loadtests.tuner.chain import ChainSession
from loadtests.tuner.model import Configuration, Limits, Slo
from loadtests.tuner.outcome import Verdict
from loadtests.tuner.plan import QUICK, Plan
from loadtests.tuner.regret import regrets
from loadtests.tuner.simulator.chain import Chain, ChainTarget

MIB = 1024**2
SLO = Slo(0.25)
CPU = {"gateway": 0.004, "users": 0.001, "items": 0.008, "ml-predict": 0.002}
MEMORY = {"gateway": 60 * MIB, "users": 100 * MIB, "items": 90 * MIB, "ml-predict": 110 * MIB}
POOLS = {"users": 5, "items": 5}


@cache
def true_capacity(cpus: float, configuration: Configuration) -> float:
    """Where nothing but the CPUs limits it. Most of these tests' work, and the same for each of them."""
    return Chain(CPU, MEMORY, Limits(cpus)).capacity(configuration, SLO)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(4, connections_per_worker=POOLS),
        Limits(4, memory=500 * MIB, connections_per_worker=POOLS),
        Limits(4, database_connections=15, connections_per_worker=POOLS),
        Limits(2, memory=560 * MIB, database_connections=20, connections_per_worker=POOLS),
    ],
)
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 9))])
def test_the_allocation_is_within_five_per_cent_of_the_best_that_the_budget_allows(
    limits: Limits, seed: int
) -> None:
    chain = Chain(CPU, MEMORY, limits)
    target = ChainTarget(chain, seed)
    outcome = ChainSession(target, SLO, Plan(seed=seed)).run()
    assert target.broken == []
    assert outcome.verdict is Verdict.DECIDED or outcome.verdict is Verdict.NOT_WORKERS
    assert outcome.choice is not None
    most = int(limits.cpus)
    everything = [
        Configuration.of({"gateway": g, "users": 1, "items": i, "ml-predict": m})
        for g, i, m in product(range(1, most + 1), range(1, most + 1), (1, 2))
    ]
    allowed = [configuration for configuration in everything if chain.breaks(configuration) is None]
    best = 0.0
    for configuration in reversed(allowed):  # the largest first, which are nearly the best
        if not best or chain.meets(configuration, best, SLO):
            best = max(best, true_capacity(limits.cpus, configuration))
    assert chain.breaks(outcome.choice) is None
    assert true_capacity(limits.cpus, outcome.choice) >= 0.95 * best


@pytest.mark.parametrize("within", [430.0, 470.0, 570.0])
def test_the_first_looks_leave_the_rounds_their_time(within: float) -> None:
    """A climb that takes it all would leave a decision without evidence."""
    target = ChainTarget(Chain(CPU, MEMORY, Limits(4)), 1)
    plan = replace(QUICK, within=within)
    outcome = ChainSession(target, SLO, plan, repeat=True).run()
    assert len(outcome.screened) >= 2
    assert outcome.verdict is Verdict.DECIDED
    assert target.spent <= within


def test_the_busiest_service_grows_first() -> None:
    tried: list[str] = []
    chain = Chain(CPU, MEMORY, Limits(4))
    ChainSession(ChainTarget(chain, 1), SLO, Plan(), tried.append).run()
    grown = [line for line in tried if "one service larger" in line]
    assert "gateway=1 items=3" in " ".join(grown)
    assert not [line for line in grown if "gateway=3 items=1" in line]


def test_what_rules_of_thumb_would_cost_a_chain_is_known() -> None:
    limits = Limits(2, connections_per_worker=POOLS)
    outcome = ChainSession(ChainTarget(Chain(CPU, MEMORY, limits), 1), SLO, Plan()).run()
    found = {regret.rule: regret.lost for regret in regrets(outcome, limits)}
    assert found["2n + 1"] is not None
    assert found["1"] is not None
    assert found["1"] > 0.1, "one worker of each cannot use both CPUs"


def test_other_pool_sizes_meet_the_best_counts_as_far_as_the_connections_go() -> None:
    limits = Limits(2, connections_per_worker=POOLS, connections_per_service=40)
    pools = {"pool": ("5", "10", "50")}
    outcome = ChainSession(ChainTarget(Chain(CPU, MEMORY, limits), 1), SLO, Plan(), knobs=pools).run()
    sizes = {dict(key.knobs)["pool"] for key in outcome.screened}
    assert sizes == {"5", "10"}
    [refused] = [why for key, why in outcome.rejected.items() if dict(key.knobs)["pool"] == "50"]
    assert "of the 40 that" in refused
