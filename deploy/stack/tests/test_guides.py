"""What the guides name exists: targets, settings, log events, metrics."""

import re
from pathlib import Path

import pytest

from stack.catalogue import ROOT, services
from stack.settings_page import page

GUIDES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / "loadtests/README.md",
    *(ROOT / "docs").glob("*.md"),
]
EACH = pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
SOURCES = [ROOT / "shared/src", *(ROOT / service.folder / "src" for service in services().values())]
CODE = "\n".join(path.read_text() for folder in SOURCES for path in folder.rglob("*.py"))


def known_settings() -> set[str]:
    named = set(re.findall(r"`([A-Z_]+)`", page()))
    of_each = re.findall(r"`…_([A-Z_]+)`", page())
    prefixes = [service.variable for service in services().values()]
    named.update(re.findall(r"environ\.get\(\"([A-Z_]+)\"", CODE))  # what a command reads
    return named | {f"{prefix}_{name}" for prefix in prefixes for name in [*of_each, "SECRETS_DIR"]}


@EACH
def test_every_target_that_a_guide_names_exists(guide: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", guide.read_text(), re.MULTILINE))
    assert named - targets == set()


@EACH
def test_every_setting_that_a_guide_names_exists(guide: Path) -> None:
    prefixes = "|".join(service.variable for service in services().values())
    named = set(re.findall(rf"\b((?:{prefixes}|FACET)_[A-Z_]+[A-Z])\b", guide.read_text()))
    assert named - known_settings() == set()


def test_every_log_event_and_metric_to_watch_exists() -> None:
    text = (ROOT / "docs/deployment.md").read_text()
    events = set(re.findall(r"log event `(\w+)`", text)) | {"signing_keys_not_fetched"}
    metrics = set(re.findall(r"`(http_\w+)", text))
    assert len(events) > 2
    assert len(metrics) > 4
    assert {name for name in events | metrics if f'"{name}"' not in CODE} == set()
