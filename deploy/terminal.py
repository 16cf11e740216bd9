"""What the commands in here show: plain lines, with colour where a person looks at a terminal."""

import json
import os
import sys
import textwrap
from typing import Any, TextIO

WIDTH = 100
LONGEST_TEXT = 72
MOST_ENTRIES = 2


class Terminal:
    """Writes to `out`; colours follow https://no-color.org."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ

    def line(self, text: str = "", style: str = "") -> None:
        painted = f"\x1b[{style}m{text}\x1b[0m" if style and self._colours else text
        self._out.write(painted + "\n")
        self._out.flush()

    def heading(self, text: str) -> None:
        self.line()
        self.line(f"# {text}", "1;36")

    def command(self, text: str) -> None:
        self.line(text, "33")

    def answer(self, status: str, headers: dict[str, str], body: Any) -> None:
        self.line(f"  {status}", "32" if status.startswith("2") else "35")
        for name, value in headers.items():
            self.line(f"  {name}: {value}")
        if body is not None:
            self.line(textwrap.indent(pretty(shorten(body)), "  "), "2")

    def good(self, text: str) -> None:
        self.line(text, "1;32")

    def bad(self, text: str) -> None:
        self.line(text, "1;31")


def shorten(value: Any) -> Any:
    """The same JSON with long tokens cut and long lists of objects ended by a note of what is left out."""
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
