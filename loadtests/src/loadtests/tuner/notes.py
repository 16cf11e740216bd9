"""What a reader of a report has to know about the machine and the generator."""

from collections.abc import Iterable, Sequence
from itertools import chain

from loadtests.tuner.model import Limits, Resources, Slo
from loadtests.tuner.outcome import Outcome
from loadtests.tuner.trial import failures

_WORTH_A_NOTE = 0.01  # of the time
_KEPT = 1.1  # times the budget: clocks of processes are coarse


def unmet(outcome: Outcome, slo: Slo) -> str:
    """How the smallest configuration misses the SLO at the lowest rate that was tried."""
    smallest = min(outcome.screened, key=lambda key: key.total_workers)
    trial = min(outcome.screened[smallest].trials, key=lambda trial: trial.rate)
    taken = trial.measurements[-1]
    slowest = taken.latencies.percentile(slo.percentile) * 1000
    answered = f", p{slo.percentile:g} {slowest:,.0f} ms" if taken.latencies.total else ""
    return (
        f"{smallest.label} at {taken.offered:,.1f}: {taken.failed} of {taken.requests} failed"
        f"{failures(taken)}{answered}"
    )


def machine_notes(outcome: Outcome) -> Sequence[str]:
    """Steal, throttling and the clock over all measurements; the most of the generator's CPU."""
    seen = list(_resources(outcome))
    found = []
    for what, shares in (
        ("The hypervisor took", [used.steal for used in seen]),
        ("The cgroup was throttled for", [used.throttled for used in seen]),
    ):
        known = [share for share in shares if share is not None]
        if known and max(known) > _WORTH_A_NOTE:
            found.append(
                f"{what} up to {max(known):.0%} of the time, {sum(known) / len(known):.1%} on average."
            )
    clocks = [used.mhz for used in seen if used.mhz is not None]
    if clocks:
        found.append(f"The clock was at {min(clocks):,.0f} to {max(clocks):,.0f} MHz.")
    if outcome.machine is not None and outcome.machine.swing is not None:
        swing, power = outcome.machine.swing, outcome.machine.exponent
        found.append(
            f"The machine's pace changed: a yardstick beside the load took {swing:.0%} longer in the slowest "
            f"tenth of the time than in the fastest, and a request's CPU time grew with its power of "
            f"{power:.1f}. All rates are those at the usual pace."
        )
    if outcome.noise_floor is not None:
        found.append(
            f"One configuration, started twice at the beginning, differed by {outcome.noise_floor:.1%}."
        )
    busiest = max((used.generator_cpus for used in seen if used.generator_cpus is not None), default=None)
    if busiest is not None:
        found.append(f"The generator used at most {busiest:.0%} of a CPU.")
    return found


def budget_notes(outcome: Outcome, limits: Limits) -> Sequence[str]:
    """How much of each limit the loads used at most, and how many of them used more than 1.1 times of it."""
    seen = list(_resources(outcome))
    cpus = [used.app_cpus for used in seen if used.app_cpus is not None]
    found = [_used("CPUs", cpus, limits.cpus, "{:.2f}")]
    if limits.memory is not None:
        memory = [used.pss / 1024**2 for used in seen if used.pss is not None]
        found.append(_used("MiB of memory", memory, limits.memory / 1024**2, "{:,.0f}"))
    if limits.database_connections is not None:
        opened = [float(used.database_connections) for used in seen if used.database_connections is not None]
        found.append(_used("database connections", opened, limits.database_connections, "{:,.0f}"))
    return [line for line in found if line]


def _used(what: str, used: Sequence[float], limit: float, form: str) -> str:
    if not used:
        return ""
    above = sum(1 for one in used if one > _KEPT * limit)
    loads = "1 load" if len(used) == 1 else f"{len(used)} loads"
    return (
        f"Of {limit:g} {what}, {loads} used at most {form.format(max(used))}; "
        f"{above or 'none'} used over 10% more than that budget."
    )


def _resources(outcome: Outcome) -> Iterable[Resources]:
    found = [*outcome.screened.values(), *outcome.confirmed.values(), *chain(*outcome.rounds.values())]
    for capacity in found:
        for trial in capacity.trials:
            yield from (taken.resources for taken in trial.measurements)
    for stress in outcome.stress.values():
        yield from (overload.taken.resources for overload in stress.overloads)
