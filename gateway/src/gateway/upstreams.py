"""Policy for one upstream: its replicas, and which of them gets a request."""

import asyncio
import random
import ssl
from collections.abc import Coroutine, Sequence
from urllib.parse import urlsplit

from gateway.wire.connecting import close
from gateway.wire.pool import Pool, PoolStats

_PORTS = {"http": 80, "https": 443}
FIRST_EJECTION = 0.5  # seconds for which a replica that failed is passed over; doubled by each failure
LONGEST_EJECTION = 30.0


class Replica:
    """One address of an upstream."""

    __slots__ = ("authority", "ejected_until", "failures", "outstanding", "pool", "proving")

    def __init__(self, authority: bytes, pool: Pool) -> None:
        self.authority = authority
        self.pool = pool
        self.outstanding = 0
        self.failures = 0  # since the last answer
        self.ejected_until = 0.0  # in the loop's time
        self.proving = False  # one request is to find out whether it is back

    @property
    def pause(self) -> float:
        """Seconds for which one more failure ejects it."""
        return min(FIRST_EJECTION * (1 << self.failures), LONGEST_EJECTION)

    def failed(self, now: float) -> None:
        """Requests that were under way when it was ejected fail for the same reason, and count once."""
        if self.failures and not self.proving:
            return
        self.proving = False
        self.ejected_until = now + self.pause
        self.failures = min(self.failures + 1, 16)


class Upstream:
    """A service behind the gateway, at one or several origins. Made on the running loop."""

    def __init__(
        self,
        name: str,
        origins: Sequence[str],
        *,
        tls: ssl.SSLContext | None = None,
        connect_timeout: float = 1.0,
        max_connections: int = 256,
        idle_timeout: float = 30.0,
    ) -> None:
        self.name = name
        self._loop = asyncio.get_running_loop()
        self._connect_timeout = connect_timeout
        self._most_uploads = max(1, len(origins) * max_connections // 2)
        self.uploads = 0  # requests whose clients still send their bodies
        self.replicas = [
            Replica(
                authority,
                Pool(
                    name,
                    host,
                    port,
                    tls=tls if https else None,
                    connect_timeout=connect_timeout,
                    max_connections=max_connections,
                    idle_timeout=idle_timeout,
                ),
            )
            for host, port, authority, https in map(_split_origin, origins)
        ]

    @property
    def stats(self) -> PoolStats:
        """Of all replicas together."""
        return PoolStats(*map(sum, zip(*[replica.pool.stats for replica in self.replicas], strict=True)))

    @property
    def takes_uploads(self) -> bool:
        """Half of the connections are never held by clients that are slow to send."""
        return self.uploads < self._most_uploads

    def pick(self, avoid: Sequence[Replica] = ()) -> Replica:
        """The less busy of two random replicas; those ejected or to be avoided only when there is no other.

        A replica whose ejection has ended gets one request to prove itself, and others once it has.
        """
        if len(self.replicas) == 1:
            return self.replicas[0]
        now = self._loop.time()
        open_ones = [it for it in self.replicas if it.ejected_until <= now and it not in avoid]
        if not open_ones:
            others = [it for it in self.replicas if it not in avoid] or self.replicas
            return min(others, key=lambda it: it.ejected_until)
        two = random.sample(open_ones, min(2, len(open_ones)))
        chosen = min(two, key=lambda it: it.outstanding)
        if chosen.failures:
            chosen.proving = True
            chosen.ejected_until = now + max(self._connect_timeout, chosen.pause)
        return chosen

    def retire(self) -> None:
        """Another has taken its place: what is under way goes on, and no connection is kept after it."""
        for replica in self.replicas:
            replica.pool.retire()

    def close(self, grace: float = 5.0) -> Coroutine[None, None, None]:
        """To be awaited: closes idle connections at once, and those in flight after `grace` seconds."""
        return close([replica.pool for replica in self.replicas], grace)


def _split_origin(url: str) -> tuple[str, int, bytes, bool]:
    """Host, port, authority, and whether it speaks TLS."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None:
        raise ValueError(f"an upstream is http://host:port or https://host:port, not {url!r}")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(f"an upstream has no path: {url!r}")
    port = parts.port or _PORTS[parts.scheme]
    return parts.hostname, port, parts.netloc.encode("ascii"), parts.scheme == "https"
