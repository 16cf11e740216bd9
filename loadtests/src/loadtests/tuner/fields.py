"""What each field of `facet-tune`'s file may hold, and how a wrong one is refused."""

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.tuner.measuring.requests import bare, malformed


class ConfigError(Exception):
    """Says in one line what is wrong with the file."""


_SECONDS = {"ms": 0.001, "s": 1.0}
_BYTES = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_LONGEST = 60.0  # seconds of an SLO: a load lasts many times as long
LONGEST_START = 600.0


def duration(text: str, longest: float = _LONGEST) -> float:
    """Seconds of `250ms` or `1.5s`. Raises ConfigError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s)", text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not _SECONDS["ms"] <= seconds <= longest:
        raise ConfigError(f"{text!r} is no duration from 1ms to {longest:g}s: it is written 250ms or 1.5s")
    return seconds


def size(text: str) -> int:
    """Bytes of `512MiB` or `2GiB`. Raises ConfigError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB)", text)
    if not found or not float(found[1]):
        raise ConfigError(f"{text!r} is no size: it is written 512MiB or 2GiB")
    return math.floor(float(found[1]) * _BYTES[found[2]])


def _converts(convert: Callable[[str], float], given: Any) -> bool:
    try:
        return isinstance(given, str) and convert(given) > 0
    except ConfigError:
        return False


@dataclass(frozen=True, slots=True)
class Kind:
    allowed: str
    fits: Callable[[Any], bool]


def _text(given: Any) -> bool:
    return isinstance(given, str) and "\0" not in given


def _number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)


def _whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 1


def _scalar(given: Any) -> bool:
    return _text(given) or _number(given) or isinstance(given, bool)


def _words(given: Any) -> bool:
    """As a shell would split it."""
    try:
        return _text(given) and bool(shlex.split(given))
    except ValueError:
        return False


def _path(given: Any) -> bool:
    """A brace that belongs to no placeholder is a slip."""
    return _text(given) and re.fullmatch(r"/[!-z|~]*", bare(given)) is not None and not malformed(given)


def _filled(given: Any) -> bool:
    return _text(given) and not malformed(given)


def _header(name: str, value: Any) -> bool:
    good = re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) and _text(value)
    return bool(good) and re.fullmatch(r"[\t -~]*", value) is not None and not malformed(value)


def _table(given: Any, fits: Callable[[str, Any], bool]) -> bool:
    return isinstance(given, dict) and all(fits(name, value) for name, value in given.items())


def _variable(name: str, value: Any) -> bool:
    return bool(name) and "=" not in name and "\0" not in name and _scalar(value)


def _list(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(_scalar(value) for value in given)


TEXT = Kind("text in quotes", _text)
COUNT = Kind("a whole number from 1", _whole)
DURATION = Kind('a duration from 1ms to 60s, such as "250ms" or "1.5s"', lambda it: _converts(duration, it))
START = Kind(
    'a duration from 1ms to 600s, such as "90s"',
    lambda it: _converts(lambda text: duration(text, LONGEST_START), it),
)
SIZE = Kind('a size above zero, such as "512MiB" or "2GiB"', lambda it: _converts(size, it))
WORDS = Kind("one command in quotes, with its own quotes in pairs", _words)
PATH = Kind(
    "a path that begins with /, without spaces and letters beyond ASCII (write %20); placeholders are "
    "{int:1-1000}, {zipf:1-1000} and {name}",
    _path,
)
LIST = Kind("a list of texts or numbers, such as [1, 4]", _list)
FILLED = Kind("text in quotes, with placeholders such as {int:1-1000}", _filled)
METHOD = Kind("one word in capitals, such as POST", lambda it: _text(it) and bool(re.fullmatch("[A-Z]+", it)))
STATUS = Kind("one status from 200 to 599", lambda it: _whole(it) and 200 <= it <= 599)  # noqa: PLR2004 - those of an answer
HEADERS = Kind(
    'a table of texts, such as { Authorization = "Bearer {token}" }', lambda it: _table(it, _header)
)

SECTIONS: Mapping[str, Mapping[str, Kind] | Kind] = {
    "app": {
        "name": TEXT,
        "command": WORDS,
        "url": TEXT,
        "ready": Kind("a path such as /health", lambda given: _path(given) and "{" not in given),
        "env": Kind('a table of variables, such as { DEBUG = "0" }', lambda it: _table(it, _variable)),
        "cwd": TEXT,
        "start_within": START,
    },
    "slo": {
        **dict.fromkeys(("p50", "p90", "p95", "p99"), DURATION),
        "errors": Kind("a share from 0 to below 1, such as 0.001", lambda it: _number(it) and 0 <= it < 1),
    },
    "limits": {
        "cpus": COUNT,
        "memory": SIZE,
        "database_connections": COUNT,
        "connections_per_worker": COUNT,
        "max_workers": Kind("a whole number from 1 to 1000", lambda it: _whole(it) and it <= 1000),  # noqa: PLR2004 - the last is beyond any machine
    },
    "state": {"reset": WORDS},
    "tune": LIST,  # any names: they are those of the command's placeholders
    "values": LIST,  # any names: they are those of the requests' placeholders
    "load": {"locustfile": TEXT},
    "request": {
        "path": PATH,
        "method": METHOD,
        "body": FILLED,
        "content_type": TEXT,
        "weight": Kind("a number above 0", lambda given: _number(given) and given > 0),
        "status": STATUS,
        "contains": TEXT,
        "headers": HEADERS,
    },
}


def check(given: Mapping[str, Any]) -> None:
    """Raises ConfigError for the first field that cannot be."""
    for section, content in given.items():
        if section not in SECTIONS:
            raise ConfigError(f"[{section}] is unknown; there are {', '.join(SECTIONS)}")
        several = section == "request"
        if several and not (isinstance(content, list) and all(isinstance(entry, dict) for entry in content)):
            raise ConfigError("each request is written under a line [[request]], with two brackets")
        if not several and not isinstance(content, dict):
            raise ConfigError(f"[{section}] is written once, as a line [{section}] with its fields below")
        for number, entry in enumerate(content if several else [content], 1):
            _check_entry(section, entry, f"[[request]] {number}" if several else f"[{section}]")


def _check_entry(section: str, entry: Mapping[str, Any], title: str) -> None:
    known = SECTIONS[section]
    for name, value in entry.items():
        kind = known if isinstance(known, Kind) else known.get(name)
        if kind is None:
            raise ConfigError(f"{title} has no {name}; there are {', '.join(known)}")  # type: ignore[arg-type] # a table
        if not kind.fits(value):
            raise ConfigError(f"{title} {name} = {_shown(value)} must be {kind.allowed}")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line
