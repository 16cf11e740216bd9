"""Before a run: boots the application, and says what is excluded and how long the run takes."""

from collections.abc import Callable
from pathlib import Path

from loadtests.tuner.candidates import ladder
from loadtests.tuner.feasible import Feasible
from loadtests.tuner.measure_only import TIMES
from loadtests.tuner.measuring.app import App
from loadtests.tuner.measuring.command import CommandTarget
from loadtests.tuner.measuring.loaded import Loaded
from loadtests.tuner.measuring.running import RunningTarget
from loadtests.tuner.model import AS_IT_RUNS, Configuration, Measurement
from loadtests.tuner.plan import QUICK, Plan
from loadtests.tuner.race import AFTER
from loadtests.tuner.run import SHARED, calibration, trusted
from loadtests.tuner.trial import failures

_TRIALS = 4  # of one search for a capacity, about
_RATE, _SECONDS = 20.0, 3.0  # requests per second: hardly any load
_TRIES = 3

Say = Callable[[str], None]


def check(app: App, folder: Path, say: Say) -> bool:
    """True if a run can begin; `folder` keeps the calibration. Raises GeneratorUnfit and RollOutFailed."""
    target, feasible = CommandTarget(app), Feasible(app.limits)
    counts = ladder(app.limits)
    try:
        target.limit = trusted(calibration(app, folder), say).limit
        if app.target_cpus & app.load_cpus:
            say(SHARED)
        begun = target.spent
        good = [_look(target, feasible, count, say) for count in (1, 2)]
        allowed = [count for count in counts if feasible.refusal(Configuration.of(count)) is None]
        if max(allowed) > 2:  # noqa: PLR2004 - the two that were looked at
            good.append(_look(target, feasible, max(allowed), say))
        for count in counts:
            refusal = feasible.refusal(Configuration.of(count))
            say(f"{count}: {f'excluded, {refusal}' if refusal else 'will be tried'}")
        start = (target.spent - begun) / len(good)
    finally:
        target.close()
    for name, plan in (("run", Plan()), ("run --quick", QUICK)):
        say(f"{name}: {duration(plan, len(allowed), start)}")
    if not all(good):
        say("not ready for a run: what failed or was not valid above needs a remedy first")
    return all(good)


def check_running(app: App, folder: Path, say: Say) -> bool:
    """As `check`, of what runs already and can be measured only."""
    target = RunningTarget(app)
    target.limit = trusted(calibration(app, folder), say).limit
    target.roll_out(Configuration.of({AS_IT_RUNS: 1}))
    taken = _measured(target, 1)
    say(f"{AS_IT_RUNS}: {_said(taken, app)}")
    for reason in taken.invalid:
        say(f"not valid: {reason}")
    for name, plan in (("run", Plan()), ("run --quick", QUICK)):
        minutes = max(1, (TIMES + 1) * _TRIALS * plan.seconds / 60)
        say(f"{name}: about {minutes:.0f} minutes, and nothing is decided")
    return taken.valid and not taken.failed


def duration(plan: Plan, counts: int, start: float) -> str:
    """How long a run may take; `start` is what a start and a short measurement take."""
    each = start + _TRIALS * plan.seconds
    most = each * (counts + plan.survivors * plan.rounds + AFTER)
    least = each * (counts + 2 * plan.looks[0] + AFTER)
    if plan.within is not None:
        least, most = min(least, plan.within), min(most, plan.within)
    low, high = f"{max(1, least / 60):.0f}", f"{max(1, most / 60):.0f}"
    return f"{low} to {high} minutes" if low != high else f"about {high} minute{'s' if high != '1' else ''}"


def _measured(target: Loaded, seed: int) -> Measurement:
    """Again, where something passing disturbed it."""
    for _ in range(_TRIES):
        taken = target.measure(_RATE, _SECONDS, seed)
        if taken.valid:
            break
    return taken


def _look(target: CommandTarget, feasible: Feasible, count: int, say: Say) -> bool:
    usual = {name: values[0] for name, values in target.app.knobs.items()}
    target.roll_out(Configuration.of(count, **usual))
    taken = _measured(target, count)
    feasible.learn(Configuration.of(count), taken)
    say(f"{count} worker{'s' if count > 1 else ''}: {_said(taken, target.app)}")
    for reason in taken.invalid:
        say(f"not valid: {reason}")
    return taken.valid and not taken.failed


def _said(taken: Measurement, app: App) -> str:
    pss = taken.resources.pss
    memory = "memory unknown" if pss is None else f"{pss // 1024**2} MiB"
    failed = f"{taken.failed} of {taken.requests} failed{failures(taken)}"
    if not taken.latencies.total:
        return f"no good answer, {failed}, {memory}"
    slowest = taken.latencies.percentile(app.slo.percentile) * 1000
    return f"p{app.slo.percentile:g} {slowest:.0f} ms when idle, {failed}, {memory}"
