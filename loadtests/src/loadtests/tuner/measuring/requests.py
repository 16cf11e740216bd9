"""The requests of a load: weighted, with placeholders in paths, bodies and headers."""

import bisect
import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from loadtests.popularity import zipf

_PLACEHOLDER = re.compile(r"\{(int|zipf):(\d+)-(\d+)\}|\{([a-z_][a-z0-9_]*)\}")
_MEANT = re.compile(r"\{(?:int|zipf)\b[^}]*\}?")  # as one of the first kind
_MOST = 1_000_000  # places of Zipf's law, whose weights are kept


@dataclass(frozen=True, slots=True)
class Request:
    """`contains` is text that a good answer's body must hold."""

    path: str
    method: str = "GET"
    body: str = ""
    content_type: str = "application/json"
    weight: float = 1.0
    status: int = 200
    contains: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> Sequence[str]:
        """Everything that may hold placeholders."""
        return (self.path, self.body, *self.headers.values())


def named(text: str) -> set[str]:
    """The placeholders of a text that stand for given values."""
    return {found[4] for found in _PLACEHOLDER.finditer(text) if found[4]}


def malformed(text: str) -> bool:
    """True if a placeholder with a range is not written as one, or has no number in it."""
    for meant in _MEANT.finditer(text):
        found = _PLACEHOLDER.fullmatch(meant[0])
        if found is None or not found[1]:
            return True
        count = int(found[3]) - int(found[2]) + 1
        if count < 1 or (found[1] == "zipf" and count > _MOST):
            return True
    return False


def bare(text: str) -> str:
    """Without its placeholders."""
    return _PLACEHOLDER.sub("", text)


class Filler:
    """Chooses the requests one by one, and fills their placeholders.

    `{int:1-9}` is any number of the range, `{zipf:1-9}` one by Zipf's law, and `{name}` one of the values of
    that name. All the values of one request have the same place in their lists: an email and its password.

    Of the first `count` requests exactly as many are of each kind as the weights say, in random order: else
    the luck of a few dear ones would be most of the difference between two short loads.
    """

    def __init__(
        self,
        requests: Sequence[Request],
        values: Mapping[str, Sequence[str]],
        source: random.Random,
        count: int = 0,
    ) -> None:
        self.source = source
        self._requests, self._values = requests, values
        self._weights = list(itertools.accumulate(request.weight for request in requests))
        self._dealt = self._deal(count)

    def next(self) -> tuple[Request, str, bytes | None, Mapping[str, str]]:
        """The request, its path, body and headers."""
        request = self._dealt.pop() if self._dealt else self._of(self.source.random())
        fill = self._fill()
        body = fill(request.body).encode() if request.body else None
        headers = {name: fill(value) for name, value in request.headers.items()}
        if body is not None:
            headers.setdefault("content-type", request.content_type)
        return request, fill(request.path), body, headers

    def _deal(self, count: int) -> list[Request]:
        """What is left over by whole numbers falls to each kind as often as its weight says."""
        begun = self.source.random()
        dealt = [self._of((turn + begun) / count) for turn in range(count)]
        self.source.shuffle(dealt)
        return dealt

    def _of(self, place: float) -> Request:
        """`place` is from 0 to 1."""
        return self._requests[bisect.bisect(self._weights, place * self._weights[-1])]

    def _fill(self) -> Callable[[str], str]:
        place = self.source.random()

        def value(found: re.Match[str]) -> str:
            kind, low, high, name = found.groups()
            if name:
                listed = self._values.get(name)
                return listed[int(place * len(listed))] if listed else found[0]
            if kind == "zipf":
                return str(int(low) + zipf(int(high) - int(low) + 1, self.source))
            return str(self.source.randint(int(low), int(high)))

        return lambda text: _PLACEHOLDER.sub(value, text) if "{" in text else text
