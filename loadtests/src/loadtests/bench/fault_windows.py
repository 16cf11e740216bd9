"""Load in windows of a few seconds, without and with a fault in turns."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from http import HTTPStatus
from statistics import median
from typing import Any, Final

from loadtests.bench import machine
from loadtests.bench.exceptions import BenchFailed
from loadtests.bench.fault_routes import CALLERS, NONE, PARTS, Part, Route
from loadtests.bench.fault_system import HEAL, FaultSystem
from loadtests.bench.offered import Offered, Stream, offered_together
from loadtests.bench.progress import say
from loadtests.bench.request import ask
from loadtests.bench.rig import Rig
from loadtests.bench.stats import robust_ratio

BOOT: Final = 0.8  # seconds until the program that sends is ready
LEAD: Final = 1.0  # seconds for which the affected routes have been asked before the fault
RECOVERY: Final = 15.0  # seconds at most
PERCENTILES: Final = ("p50", "p90", "p99")


@dataclass(frozen=True, slots=True)
class Window:
    """`affected` and `others` are in the order of the part's routes."""

    affected: list[Offered]
    others: list[Offered]
    recovery: float = 0.0


class Faults:
    def __init__(self, rig: Rig) -> None:
        self._system = FaultSystem(rig)
        self._tokens = [self._system.issuer.token(subject) for subject in range(1, CALLERS + 1)]

    def run(self, part: str, fault: str, rounds: int, seconds: float) -> dict[str, Any]:
        """Raises BenchFailed."""
        say(f"{part}: {fault}")
        self._window(part, NONE, 1.0, 0)
        before: list[Window] = []
        during: list[Window] = []
        for turn in range(rounds):
            for what, taken in ((NONE, before), (fault, during))[:: 1 if turn % 2 else -1]:
                taken.append(self._window(part, what, seconds, 100 * (turn + 1)))
        return document(part, fault, PARTS[part], before, during)

    def _window(self, part: str, fault: str, seconds: float, seed: int) -> Window:
        """`seed` is of the arrivals. Each route has its own, or all would ask at the same moments."""
        routes, gateway, rig = PARTS[part], self._system.gateway, self._system.rig
        streams = [
            *(self._stream(one, LEAD + seconds, 0.0, seed + n) for n, one in enumerate(routes.affected)),
            *(self._stream(one, seconds, LEAD, seed + 10 + n) for n, one in enumerate(routes.others)),
        ]
        with ThreadPoolExecutor() as threads:
            start = time.monotonic() + BOOT
            loaded = threads.submit(offered_together, streams, gateway, rig, start)
            time.sleep(BOOT + LEAD)
            try:
                if fault != NONE:
                    self._system.do(part, fault)
                time.sleep(seconds)
            finally:
                self._system.do(part, HEAL)
            healed = time.monotonic()
            self._recover(routes)
            recovery = time.monotonic() - healed
            samples = loaded.result()
        affected, others = samples[: len(routes.affected)], samples[len(routes.affected) :]
        self._system.rig.check_alive()
        shown = ", ".join(f"{one.p99:.1f}" for one in others)
        failed = sum(one.failed for one in others)
        say(f"  {fault:<8} p99 {shown} ms; {failed} failed; back in {recovery:.1f} s")
        return Window(affected, others, recovery)

    def _stream(self, route: Route, seconds: float, delay: float, seed: int) -> Stream:
        requests = [one.raw for one in route.requests(self._tokens)]
        return Stream(requests, route.rate, seconds, delay, seed)

    def _recover(self, part: Part) -> None:
        """Every affected route answers well again. Raises BenchFailed."""
        until = time.monotonic() + RECOVERY
        for route in part.affected:
            request = route.requests(self._tokens)[0]
            while ask(self._system.gateway, request)[0] >= HTTPStatus.MULTIPLE_CHOICES:
                if time.monotonic() > until:
                    raise BenchFailed(f"{route.title} is not answered {RECOVERY:.0f} s after the fault")
                time.sleep(0.05)


def document(
    name: str, fault: str, part: Part, before: Sequence[Window], during: Sequence[Window]
) -> dict[str, Any]:
    """Milliseconds; every window is kept."""
    return {
        **machine.moment(),
        "part": name,
        "fault": fault,
        "recovery_seconds": round(median(one.recovery for one in during), 2),
        "affected": [
            {
                "route": route.title,
                "failed_before": sum(one.affected[place].failed for one in before),
                "failed": sum(one.affected[place].failed for one in during),
                "answered": sum(one.affected[place].answered for one in during),
                "slowest_ms": round(max(one.affected[place].p999 for one in during), 1),
            }
            for place, route in enumerate(part.affected)
        ],
        "others": [
            _other(route, [one.others[place] for one in before], [one.others[place] for one in during])
            for place, route in enumerate(part.others)
        ],
    }


def _other(route: Route, before: Sequence[Offered], during: Sequence[Offered]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "route": route.title,
        "failed": sum(one.failed for one in during),
        "answered": sum(one.answered for one in during),
    }
    for name in PERCENTILES:
        without, with_fault = ([getattr(one, name) for one in windows] for windows in (before, during))
        ratio = robust_ratio(with_fault, without)
        pairs = zip(without, with_fault, strict=True)
        row[name] = {
            "before_ms": round(median(without), 2),
            "ms": round(median(with_fault), 2),
            "ratio": {part: round(value, 3) for part, value in asdict(ratio).items()},
            "windows_ms": [[round(one, 2), round(other, 2)] for one, other in pairs],
        }
    return row
