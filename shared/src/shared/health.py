"""`/health`: the process is alive. `/ready`: it can do its work; what others need is only reported.

`shared.health_routes` has the routes of a service, `shared.events.page` those of a relay or consumer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pydantic import BaseModel, Field

from shared.exceptions import Unavailable


@dataclass(frozen=True, slots=True)
class Check:
    """`probe` raises when something is wrong; what it returns is shown, except for the bare True of a ping.

    A check that is not `required` is reported, and the service is ready all the same.
    """

    name: str
    probe: Callable[[], Awaitable[Any]]
    timeout: float = 1.0
    required: bool = True


class CheckFailed(Exception):
    """Raised by a probe whose reason may be shown, with what it found out."""

    def __init__(self, reason: str, info: Any = None) -> None:
        super().__init__(reason)
        self.info = info


class Alive(BaseModel):
    status: str = "alive"
    service: str
    version: str


class CheckResult(BaseModel):
    ok: bool
    required: bool = Field(default=True, description="False: reported, but no condition of being ready.")
    duration_ms: float
    reason: str | None = None
    info: Any = None


class Ready(BaseModel):
    status: str = "ready"
    checks: Mapping[str, CheckResult]


class NotReady(Unavailable):
    code, title = "not_ready", "Not ready"


async def readiness(checks: list[Check]) -> Ready:
    """Run all checks at once. Raises NotReady, which shows each result, when a required one fails."""
    results = dict(zip((c.name for c in checks), await asyncio.gather(*map(run, checks)), strict=True))
    if failing := [name for name, result in results.items() if result.required and not result.ok]:
        failed = ", ".join(failing)
        shown = {name: result.model_dump(exclude_none=True) for name, result in results.items()}
        raise NotReady(f"Not ready: {failed}.", checks=shown)
    return Ready(checks=results)


async def run(check: Check) -> CheckResult:
    started = perf_counter()
    info = reason = None
    try:
        async with asyncio.timeout(check.timeout):
            answer = await check.probe()
            info = None if answer is True else answer
    except TimeoutError:
        reason = f"no answer within {check.timeout:g} s"
    except CheckFailed as error:
        reason, info = str(error), error.info
    except Exception as error:  # noqa: BLE001 - whatever a probe raises means: not ready
        reason = type(error).__name__  # the message could reveal an address or a name
    elapsed = round((perf_counter() - started) * 1000, 1)
    return CheckResult(
        ok=reason is None, required=check.required, duration_ms=elapsed, reason=reason, info=info
    )
