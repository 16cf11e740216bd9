"""Whether the gateway is ready: its own needs, and the state of each upstream."""

import httpx2

from shared.health import Check, CheckFailed

PATIENCE = 1.5  # seconds for each step: an upstream gives its own checks one
ALTOGETHER = 1.75  # the whole answer must come within two


def upstream_check(name: str, url: str, client: httpx2.AsyncClient) -> Check:
    """Asks an upstream's `/ready` and shows which of its checks failed."""

    async def probe() -> None:
        try:
            response = await client.get(f"{url}/ready", timeout=PATIENCE)
        except httpx2.TimeoutException:
            raise CheckFailed("does not answer") from None
        except httpx2.HTTPError:
            raise CheckFailed("cannot be reached") from None
        if not response.is_success:
            raise CheckFailed("not ready", _failed_checks(response))

    return Check(name, probe, timeout=ALTOGETHER)


def _failed_checks(response: httpx2.Response) -> list[str]:
    try:
        checks = response.json()["checks"]
        return [name for name, result in checks.items() if not result["ok"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
