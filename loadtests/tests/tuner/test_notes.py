"""What a report says of the machine, the generator and the budget."""

from dataclasses import replace

from loadtests.tuner.capacity import Capacity
from loadtests.tuner.histogram import Histogram
from loadtests.tuner.model import Configuration, Limits, Measurement, Resources, Slo
from loadtests.tuner.notes import budget_notes, machine_notes, unmet
from loadtests.tuner.outcome import Outcome
from loadtests.tuner.stress import Overload, Stress
from loadtests.tuner.trial import Trial, failures

ONE = Configuration.of({"web": 1})
LIMITS = Limits(2, memory=300 * 1024**2, database_connections=20)


def _taken(**used: float) -> Measurement:
    return Measurement(10, 10, 10, 1.0, 1, Histogram(), resources=replace(Resources(), **used))


def _outcome(*taken: Measurement) -> Outcome:
    return Outcome(screened={ONE: Capacity(10, tuple(Trial(10, True, 0.1, (one,)) for one in taken))})


def test_the_budget_is_compared_with_what_every_load_used() -> None:
    outcome = _outcome(_taken(app_cpus=1.9, pss=200 * 1024**2), _taken(app_cpus=2.15, database_connections=7))
    assert budget_notes(outcome, LIMITS) == [
        "Of 2 CPUs, 2 loads used at most 2.15; none used over 10% more than that budget.",
        "Of 300 MiB of memory, 1 load used at most 200; none used over 10% more than that budget.",
        "Of 20 database connections, 1 load used at most 7; none used over 10% more than that budget.",
    ]


def test_a_load_above_the_budget_is_counted_also_if_it_was_an_overload() -> None:
    outcome = _outcome(_taken(app_cpus=1.0))
    outcome.stress[ONE] = Stress((Overload(2, 1, 1, _taken(app_cpus=2.3)),), recovered=True)
    assert budget_notes(outcome, Limits(2)) == [
        "Of 2 CPUs, 2 loads used at most 2.30; 1 used over 10% more than that budget."
    ]


def test_what_could_not_be_read_is_not_spoken_of() -> None:
    assert budget_notes(_outcome(_taken()), LIMITS) == []


def test_steal_and_the_clock_are_told() -> None:
    lines = machine_notes(_outcome(_taken(steal=0.2, mhz=2000), _taken(steal=0.0, mhz=2100)))
    assert "The hypervisor took up to 20% of the time, 10.0% on average." in lines
    assert "The clock was at 2,000 to 2,100 MHz." in lines


def test_what_came_instead_of_good_answers_is_told() -> None:
    missing = replace(_taken(), errors=12, wrong={"0": 2, "404": 10})
    assert failures(missing) == " (10 × status 404, 2 × no answer)"
    assert failures(_taken()) == ""
    assert failures(replace(_taken(), unfinished=3, unsent=1)) == " (3 × no answer by the end, 1 × not sent)"
    said = unmet(_outcome(missing), Slo(0.25))
    assert said == "1 at 10.0: 12 of 12 failed (10 × status 404, 2 × no answer)"
