"""Writes the chosen counts into `deploy/workers.env`, or as `WEB_CONCURRENCY`, with the evidence's id."""

import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"^(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
_EVIDENCE = "# Found by facet-tune, evidence "


def variable(service: str) -> str:
    """`ml-predict` is ML_PREDICT_WORKERS; a lone application has the name that gunicorn reads."""
    return "WEB_CONCURRENCY" if service == "app" else f"{service.upper().replace('-', '_')}_WORKERS"


def changes(path: Path, workers: Mapping[str, int]) -> list[str]:
    """What `write` would change, one line each; empty if nothing."""
    before = _values(path)
    wanted = {variable(service): str(count) for service, count in workers.items()}
    return [
        f"{name}: {before.get(name, 'unset')} becomes {value}"
        for name, value in wanted.items()
        if before.get(name) != value
    ]


def write(path: Path, workers: Mapping[str, int], evidence: str) -> None:
    """Keeps comments, other variables and their order. Older evidence of the same services goes."""
    wanted = {variable(service): str(count) for service, count in workers.items()}
    names = f"({', '.join(sorted(workers))})"
    lines = []
    for line in path.read_text().splitlines() if path.exists() else []:
        found = _LINE.match(line)
        if line.startswith(_EVIDENCE) and line.endswith(names):
            continue
        if found and found["name"] in wanted:
            lines.append(f"{found['name']}={wanted.pop(found['name'])}")
        else:
            lines.append(line)
    lines += [f"{name}={value}" for name, value in wanted.items()]
    lines.append(f"{_EVIDENCE}{evidence} {names}")
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text("\n".join(lines) + "\n")
    fresh.replace(path)


def _values(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {found["name"]: found["value"].strip() for line in lines if (found := _LINE.match(line))}
