"""Whether a process still gets on with its work, for its health check."""

import time
from typing import Final

from shared.health import Check, CheckFailed

STALLED: Final = 15.0  # seconds without a round of work that succeeded


class Progress:
    def __init__(self, name: str) -> None:
        self._name = name
        self._made_at = float("-inf")

    def made(self) -> None:
        """A round of work has succeeded, also if there was nothing to do."""
        self._made_at = time.monotonic()

    @property
    def check(self) -> Check:
        return Check(self._name, self._probe)

    async def _probe(self) -> bool:
        if time.monotonic() > self._made_at + STALLED:
            raise CheckFailed(f"nothing has succeeded for {STALLED:g} s")
        return True
