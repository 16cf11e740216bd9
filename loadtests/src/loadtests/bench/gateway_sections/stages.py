"""What a stage or feature of our gateway costs: CPU of a request, with one at a time switched off."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import psutil

from loadtests.bench import environment
from loadtests.bench.contestant import Contestant, Surroundings
from loadtests.bench.contestants import PEERS, facet_with
from loadtests.bench.gateway_setup import Load, Setup
from loadtests.bench.progress import say
from loadtests.bench.rounds import order
from loadtests.bench.stats import student_t

WHOLE, AGAIN = "whole", "again"
# By what is switched off; the second whole one shows how much two equal gateways differ.
VARIANTS = {
    WHOLE: ("nothing", "everything on"),
    AGAIN: ("nothing", "everything on, again (the noise floor)"),
    "access-log": ("access-log", "access log"),
    "metrics": ("metrics", "metrics"),
    "ids": ("ids", "new ids for each request"),
    "cors": ("cors", "stage: CORS"),
    "size": ("size", "stage: size"),
    "authenticate": ("authenticate", "stage: authenticate, tokens remembered"),
    "revocations": ("revocations", "revocation check, within it"),
    "token-memory": ("token-memory", "memory of verified tokens (saves)"),
    "known-heads": ("known-heads", "memory of header fields (saves)"),
    "stale-check": ("stale-check", "check of an idle upstream connection"),
}
SERVE = (
    "from shared.serve import serve; serve('gateway_without:create_app', 'gateway.settings:GatewaySettings', "
    "'gateway.wire.server:ClientConnection', reloads_in_place=True)"
)


def measure(setup: Setup, *, quick: bool) -> dict[str, Any]:
    rounds, seconds = (2, 1) if quick else (5, 1)
    for name, (switch, title) in VARIANTS.items():
        say(f"starting without {switch}: {title}")
        setup.start(variant(name, switch))
    load = setup.load()
    for name in VARIANTS:
        setup.measure(name, load, 1)
    spent: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for name in order(list(VARIANTS), rounds):
        spent[name].append(_cpu_of_a_request(setup, name, load, seconds))
    rows = [_row(title, spent[name], spent[WHOLE]) for name, (_, title) in VARIANTS.items()]
    _show(rows)
    return {"cost_of_features": rows}


def variant(name: str, switch: str, *, checks_tokens: bool | None = None) -> Contestant:
    """CORS is on in all of them, as it would be with a front end."""
    given = {
        "BENCH_WITHOUT": switch,
        "PYTHONPATH": str(PEERS),
        "GATEWAY_CORS_ORIGINS": "https://shop.example",
    }
    checked = switch != "authenticate" if checks_tokens is None else checks_tokens
    ours = facet_with(name, VARIANTS[name][1], given, _command)
    return replace(ours, checks_tokens=checked, logs=switch != "access-log")


def _command(_: Surroundings, __: int) -> list[str]:
    return [str(environment.our_python()), "-c", SERVE]


def _cpu_of_a_request(setup: Setup, name: str, load: Load, seconds: float) -> float:
    """Microseconds on the CPU, of all of the gateway's processes and threads."""
    pid = setup.rig.pid(name)
    before = _on_cpu(pid)
    sample = setup.measure(name, load, seconds)
    return (_on_cpu(pid) - before) / 1000 / sample.requests


def _on_cpu(pid: int) -> int:
    """Nanoseconds (/proc/…/schedstat, first field)."""
    root = psutil.Process(pid)
    processes = [pid, *(child.pid for child in root.children(recursive=True))]
    files = [file for process in processes for file in Path(f"/proc/{process}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files)


def _row(title: str, spent: Sequence[float], whole: Sequence[float]) -> dict[str, Any]:
    """What it costs is what is spent less without it, round by round; 95 % by Student's t."""
    saved = [base - one for one, base in zip(spent, whole, strict=True)]
    cost = fmean(saved)
    margin = student_t(len(saved) - 1) * stdev(saved) / math.sqrt(len(saved))
    return {
        "title": title,
        "cpu_us": round(fmean(spent), 2),
        "cost_us": round(cost, 2),
        "low_us": round(cost - margin, 2),
        "high_us": round(cost + margin, 2),
    }


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    print("\nCPU of a request without it, and what it costs (95 %), µs")  # noqa: T201 - the command's result
    for row in rows:
        cost = f"{row['cost_us']:>7.1f} ({row['low_us']:.1f} to {row['high_us']:.1f})"
        print(f"{row['title']:<50} {row['cpu_us']:>7.1f} {cost}")  # noqa: T201 - the command's result
