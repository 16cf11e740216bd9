"""The requests of a load: weighted, with generators such as `{int:1-1000}` in paths and bodies."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_GENERATOR = re.compile(r"\{int:(\d+)-(\d+)\}")


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    method: str = "GET"
    body: str = ""
    content_type: str = "application/json"
    weight: float = 1.0
    status: int = 200


def filled(text: str, source: random.Random) -> str:
    """With a number from the range in place of each generator."""
    return _GENERATOR.sub(lambda found: str(source.randint(int(found[1]), int(found[2]))), text)


def pick(requests: Sequence[Request], source: random.Random) -> Request:
    return source.choices(requests, [request.weight for request in requests])[0]
