"""The state of each upstream, as the gateway's `/ready` reports it.

It does not count: an upstream that is down takes its own paths out of service, and must not take the others.
"""

import httpx2

from gateway.upstream_table import UpstreamConfig
from shared.at_most_every import AtMostEvery
from shared.health import Check, CheckFailed

PATIENCE = 1.5  # seconds for each step: an upstream gives its own checks one
ALTOGETHER = 1.75  # the whole answer must come within two
PAUSE = 1.0  # seconds between two questions, however often the gateway is asked


def upstream_checks(upstream: UpstreamConfig, client: httpx2.AsyncClient) -> list[Check]:
    """One for each replica, called by the upstream's name, and by their numbers where there are several."""
    urls = upstream.replicas
    if len(urls) == 1:
        return [upstream_check(upstream.name, urls[0], client)]
    return [upstream_check(f"{upstream.name}-{place}", url, client) for place, url in enumerate(urls, 1)]


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

    return Check(name, AtMostEvery(PAUSE, probe), timeout=ALTOGETHER, required=False)


def _failed_checks(response: httpx2.Response) -> list[str]:
    try:
        checks = response.json()["checks"]
        return [name for name, result in checks.items() if not result["ok"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
