"""What a choice that holds means: decided, no difference, or something else than workers is the limit."""

from loadtests.tuner import bottleneck
from loadtests.tuner.model import Configuration, Limits
from loadtests.tuner.outcome import Outcome, Verdict
from loadtests.tuner.screening import some_behind


def judge(found: Outcome, limits: Limits, margin: float, *, shown: bool) -> tuple[Verdict, str]:
    """And why. `shown`: the choice is shown to be within the margin of every rival. Names the bottleneck."""
    choice = found.choice
    if choice is None:
        raise ValueError("nothing was chosen")
    saturated = found.stress[choice].overloads[0].taken  # at its capacity it still has time to spare
    found.bottleneck = limit = bottleneck.find(saturated, choice, limits)
    least = found.comparison.worst[choice] if found.comparison and not shown else None
    lost = f"; at most {1 - least:.0%} may be lost" if least is not None else ""
    if len(found.screened) > 1 and _smallest(found, choice) and not _anything_worse(found):
        if limit.kind in {"unknown", "workers' CPU"}:
            return Verdict.NO_DIFFERENCE, f"more workers change nothing that could be shown{lost}"
        return Verdict.NOT_WORKERS, f"more workers change nothing{lost}; {limit.because}"
    if lost:
        return Verdict.NO_DIFFERENCE, f"the fewest workers of which none is shown to be better{lost}"
    return Verdict.DECIDED, f"the fewest workers shown to be within {margin:.0%} of every rival"


def _smallest(found: Outcome, choice: Configuration) -> bool:
    return choice.total_workers == min(key.total_workers for key in found.screened)


def _anything_worse(found: Outcome) -> bool:
    """True if some configuration that was measured is shown, or was seen, to be worse."""
    raced = any(seen.shown_worse(key) for key, seen in found.compared.items())
    return raced or some_behind(found.screened, found.noise_floor or 0.0)
