"""One request's way through all services: `python -m stack.logs REQUEST_ID`.

Reads the logs of the embedded stack, and of Docker Compose where its containers exist.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from stack.catalogue import ROOT
from stack.settings import load_stack_settings
from stack.terminal import Terminal

NEWEST = 40  # events that are shown without an id
_SHOWN_FIRST = frozenset({"timestamp", "service", "level", "event", "request_id", "trace_id"})
_STYLES = {"warning": "yellow", "error": "bold red", "critical": "bold red"}

Event = dict[str, Any]


def events(lines: Iterable[str]) -> Iterator[Event]:
    """The lines that are events of ours; Postgres, Redis and tracebacks write others."""
    for line in lines:
        start = line.find("{")
        try:
            event = json.loads(line[start:]) if start >= 0 else None
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event and "timestamp" in event:
            yield event


def of_request(found: Iterable[Event], wanted: str) -> list[Event]:
    """Those with this request or trace id, by time."""
    chosen = [event for event in found if wanted in {event.get("request_id"), event.get("trace_id")}]
    return in_order(chosen)


def in_order(found: Iterable[Event]) -> list[Event]:
    return sorted(found, key=lambda event: str(event["timestamp"]))


def line_of(event: Event) -> str:
    """`12:03:04.123456  items       info     request  method=GET …`."""
    time = str(event["timestamp"]).partition("T")[2].rstrip("Z") or str(event["timestamp"])
    rest = " ".join(f"{name}={_text(value)}" for name, value in event.items() if name not in _SHOWN_FIRST)
    service, level = event.get("service", "-"), event.get("level", "-")
    return f"{time}  {service:<11} {level:<8} {event['event']}  {rest}".rstrip()


def _text(value: object) -> str:
    return value if isinstance(value, str) and " " not in value else json.dumps(value, ensure_ascii=False)


def embedded(folder: Path) -> Iterator[str]:
    for log in sorted((folder / "logs").glob("*.log")):
        with log.open(errors="replace") as lines:
            yield from lines


def composed() -> Iterator[str]:
    docker = shutil.which("docker")
    if docker is None:
        return
    asked = [docker, "compose", "logs", "--no-color", "--no-log-prefix"]
    answer = subprocess.run(  # noqa: S603 - ours
        asked, cwd=ROOT, capture_output=True, text=True, check=False, errors="replace"
    )
    yield from answer.stdout.splitlines()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stack.logs", description=__doc__)
    parser.add_argument("id", nargs="?", help="a request's X-Request-ID, or its trace id")
    given = parser.parse_args()
    terminal = Terminal()
    found = [*events(embedded(load_stack_settings().folder)), *events(composed())]
    chosen = of_request(found, given.id) if given.id else in_order(found)[-NEWEST:]
    if not chosen:
        Terminal(sys.stderr).bad(f"no log line has the id {given.id}" if given.id else "there are no logs")
        return 1
    for event in chosen:
        terminal.line(line_of(event), _STYLES.get(str(event.get("level")), ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
