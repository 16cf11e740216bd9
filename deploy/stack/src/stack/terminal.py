"""What the commands print: plain lines, coloured where a person looks at a terminal."""

import json
import sys
import textwrap
from typing import Any, TextIO

from rich.console import Console

WIDTH = 100
LONGEST_TEXT = 72
MOST_ENTRIES = 2


class Terminal:
    """Writes lines as they are, never wrapped, so that a command can be copied from it."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._console = Console(file=out or sys.stdout, highlight=False, soft_wrap=True)

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(text, style=style or None, markup=False, emoji=False)

    def heading(self, text: str) -> None:
        self.line()
        self.line(f"# {text}", "bold cyan")

    def command(self, text: str) -> None:
        self.line(text, "yellow")

    def answer(self, status: str, headers: dict[str, str], body: Any) -> None:
        self.line(f"  {status}", "green" if status.startswith("2") else "magenta")
        for name, value in headers.items():
            self.line(f"  {name}: {value}")
        if body is not None:
            self.line(textwrap.indent(pretty(shorten(body)), "  "), "dim")

    def good(self, text: str) -> None:
        self.line(text, "bold green")

    def bad(self, text: str) -> None:
        self.line(text, "bold red")


def shorten(value: Any) -> Any:
    """The same JSON with long tokens cut, and long lists of objects ended by the number left out."""
    if isinstance(value, str) and len(value) > LONGEST_TEXT and " " not in value:
        return f"{value[:24]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: shorten(entry) for name, entry in value.items()}
    if isinstance(value, list):
        most = MOST_ENTRIES if any(isinstance(entry, dict) for entry in value) else len(value)
        left_out = len(value) - most
        kept = [shorten(entry) for entry in value[:most]]
        return [*kept, f"… {left_out} more"] if left_out > 0 else kept
    return value


def pretty(value: Any, width: int = WIDTH) -> str:
    """JSON with each object and list on one line where it fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= width or not isinstance(value, dict | list):
        return flat
    if isinstance(value, list):
        return "[\n" + ",\n".join(textwrap.indent(pretty(entry, width - 2), "  ") for entry in value) + "\n]"
    entries = (f"{json.dumps(name)}: {pretty(entry, width - 4)}" for name, entry in value.items())
    return "{\n" + ",\n".join(textwrap.indent(entry, "  ") for entry in entries) + "\n}"
