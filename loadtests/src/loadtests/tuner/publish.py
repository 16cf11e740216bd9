"""Puts what a run found into the documents: their figures come from its summary and from nowhere else."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.tuner.blocks import replace_block
from loadtests.tuner.regret import lost
from loadtests.tuner.report.picture import photograph

PARTS = {  # document: name of its part, and which text it gets
    "README.md": "short",
    "docs/patterns.md": "short",
    "docs/decisions/0004-worker-counts-in-one-file.md": "long",
    "docs/figures/README.md": "long",
}
NAME = "tuned"
_OPEN = {"inconclusive", "invalid"}
_BY = "confirmed by a second generator"
_CONFIRMED = {None: "", True: f", {_BY}", False: f", not {_BY}"}

Summary = Mapping[str, Any]


def publish(root: Path, found: Summary) -> list[Path]:
    """The files that changed: the documents under `root` and the summary itself. Raises ValueError."""
    raw, text = root / "docs/figures/tuning.json", json.dumps(found, indent=2) + "\n"
    texts = {"short": short(found), "long": long(found)}
    changed = [root / file for file, kind in PARTS.items() if replace_block(root / file, NAME, texts[kind])]
    if not raw.exists() or raw.read_text() != text:
        raw.write_text(text)
        changed.append(raw)
    return changed


def standing(root: Path, found: Summary) -> str | None:
    """The evidence of a published decision that `found` must not replace, because it decided nothing."""
    raw = root / "docs/figures/tuning.json"
    if found["verdict"] not in _OPEN or not raw.exists():
        return None
    before = json.loads(raw.read_text())
    return None if before["verdict"] in _OPEN else str(before["evidence"])


def publish_picture(root: Path, found: Summary, report: Path) -> list[Path]:
    """The upper part of the report, and its caption. Raises OSError, ValueError, SubprocessError."""
    picture, page = root / "docs/figures/tuner-report.png", root / "docs/figures/README.md"
    photograph(report, picture)
    replace_block(page, "picture", f"The report of `{found['command']}`, the upper part.")
    return [picture]


def short(found: Summary) -> str:
    """One or two sentences."""
    if not found["workers"]:
        return f"The last run of the tuner was {found['verdict']}: {found['why']}."
    said = (
        f"{'The best guess of the tuner' if found['verdict'] in _OPEN else 'The tuner chose'} "
        f"on {_machine(found)}: {_counts(found)}, {found['claim']:,.0f} requests/s claimed at a p99 of "
        f"{_slo(found)} ms ({_rate(found):,.0f} estimated{_CONFIRMED[found.get('confirmed')]})"
    )
    if found["verdict"] in _OPEN:
        said += f"; the run was {found['verdict']}"
    rules = {regret["rule"]: regret for regret in found["regret"]}
    return f"{said}. 2n + 1 of each ({rules['2n + 1']['workers']}): {_lost(rules['2n + 1'])}."


def long(found: Summary) -> str:
    """What was found, what the rules of thumb cost, and how to do it again."""
    lines = [short(found), "", f"Verdict: **{found['verdict']}**, {found['why']}."]
    if found["bottleneck"]:
        lines[-1] += f" What limits it: {found['bottleneck']['because']}."
    if found["claim"]:
        lines[-1] += f" Claimed: {found['claim']:,.0f} requests/s ({_below(found)})."
    lines += ["", "| workers | requests/s at the SLO | 95 % interval | rounds |", "|---|---|---|---|"]
    for row in found["capacities"]:
        interval = row["interval"]
        bounds = f"{interval[0]:,.0f} to {interval[1]:,.0f}" if interval else "a first look only"
        rate = f"{row['requests_per_second']:,.0f}"
        lines.append(f"| {row['configuration']} | {rate} | {bounds} | {len(row['rounds'])} |")
    lines += ["", "| rule of thumb | workers of each service | against the choice |", "|---|---|---|"]
    lines += [f"| {rule['rule']} | {rule['workers']} | {_lost(rule)} |" for rule in found["regret"]]
    noise = f"One configuration measured twice differs by {found['noise']:.1%}." if found["noise"] else ""
    notes = " ".join([noise, *found["notes"], *found["facts"]]).strip()
    lines += ["", f"{notes} Run on {found['machine'].get('date', 'an unknown day')} as `{found['command']}`"]
    lines[-1] += f", evidence {found['evidence']}."
    return "\n".join(lines)


def _below(found: Summary) -> str:
    """How the claim was made."""
    if not any(row["interval"] for row in found["capacities"] if row["configuration"] == found["choice"]):
        return "the lowest that was measured"
    return f"{1 - found['claim'] / _rate(found):.0%} below the middle of its interval"


def _machine(found: Summary) -> str:
    cpus = found["limits"]["cpus"]
    model = found["machine"].get("cpu")
    return f"{cpus:g} CPU{'s' if cpus != 1 else ''}" + (f" ({model})" if model else "")


def _counts(found: Summary) -> str:
    workers = found["workers"]
    if len(workers) == 1:
        count = next(iter(workers.values()))
        return f"{count} worker{'s' if count != 1 else ''}"
    return ", ".join(f"{name} {count}" for name, count in workers.items())


def _rate(found: Summary) -> float:
    """Of the choice."""
    chosen = found["choice"]
    return float(
        next(row["requests_per_second"] for row in found["capacities"] if row["configuration"] == chosen)
    )


def _slo(found: Summary) -> str:
    return f"{found['slo']['latency'] * 1000:g}"


def _lost(rule: Mapping[str, Any]) -> str:
    """Summaries of earlier versions have no interval."""
    bounds = (rule.get("low"), rule.get("high"), rule.get("rounds", 0))
    return lost(rule["lost"], rule["instead"], *bounds)
