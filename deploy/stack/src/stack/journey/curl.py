"""Prints a request as a curl command."""

import re
import shlex
from collections.abc import Mapping

import httpx2

# curl adds these itself.
_OWN = frozenset({"host", "accept", "accept-encoding", "connection", "user-agent", "content-length"})
_FORM = "application/x-www-form-urlencoded"
_SPECIAL = re.compile(r'(["\\$`])')


def curl(request: httpx2.Request, variables: Mapping[str, str], *, show_headers: bool = False) -> str:
    """A line for bash. Where a value of `variables` (name: value) occurs, `${name}` stands in its place."""
    words = ["curl", "-si" if show_headers else "-s"]
    if request.method != ("POST" if request.content else "GET"):
        words += ["-X", request.method]
    words.append(quote(str(request.url), variables))
    for name, value in ((name.decode(), value.decode()) for name, value in request.headers.raw):
        if name.lower() not in _OWN and value != _FORM:
            words += ["-H", quote(f"{name}: {value}", variables)]
    if request.content:
        words += ["-d", quote(request.content.decode(), variables)]
    return " ".join(words)


def quote(text: str, variables: Mapping[str, str]) -> str:
    """One shell word that expands to `text`."""
    named = {value: name for name, value in variables.items() if value in text}
    if not named:
        return shlex.quote(text)
    pieces = re.split("(" + "|".join(map(re.escape, named)) + ")", text)
    return '"' + "".join(f"${{{named[p]}}}" if p in named else _escaped(p) for p in pieces) + '"'


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)
