"""In which order a round measures: random, and mirrored, so that drift falls on all alike."""

import random
from collections.abc import Sequence
from typing import TypeVar

Key = TypeVar("Key")


def order(keys: Sequence[Key], turn: int, seed: int) -> list[Key]:
    """Every odd round is the one before it backwards. Turns count from 0."""
    shuffled = list(keys)
    random.Random(f"{seed}-{turn // 2}").shuffle(shuffled)  # noqa: S311 - an order, not a secret
    return shuffled[::-1] if turn % 2 else shuffled
