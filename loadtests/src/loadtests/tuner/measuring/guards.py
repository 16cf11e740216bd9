"""When a measurement says nothing about the target, and why."""

import resource
from collections.abc import Iterator
from pathlib import Path

from loadtests.tuner.measuring.load import Load, Result
from loadtests.tuner.model import Slo

LAG = 0.05  # of the SLO; a generator later than this is not trusted
BUSY = 0.8  # of a CPU
SENT = 0.99  # of the schedule
STEAL = 0.1  # of the CPU time
_FILES = 64  # beside the connections
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SOCKETS = Path("/proc/net/sockstat")


def before(load: Load, limit: float | None) -> Iterator[str]:
    """Reasons not to start the load at all; `limit` is the generator's calibrated rate."""
    if limit is not None and load.open_loop and load.rate > limit:
        yield f"{load.rate:,.0f} requests/s is above the generator's calibrated limit of {limit:,.0f}"
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < load.connections + _FILES:
        yield f"{load.connections} connections need more file descriptors than {files}"
    ports = free_ports(_PORTS, _SOCKETS)
    wanted = load.connections + 0.05 * load.rate * load.seconds
    if ports is not None and ports < wanted:
        yield f"only {ports} local ports are free, and {wanted:.0f} are needed: wait a minute"


def free_ports(range_file: Path, sockets: Path) -> int | None:
    """Ports that a new connection can take; closed connections hold theirs for a minute."""
    try:
        low, high = map(int, range_file.read_text().split())
        words = next(line for line in sockets.read_text().splitlines() if line.startswith("TCP:")).split()
    except (OSError, ValueError, StopIteration):
        return None
    counts = dict(zip(words[1::2], map(int, words[2::2]), strict=False))
    return max(0, high - low + 1 - counts.get("tw", 0) - counts.get("inuse", 0))


def after(done: Result, slo: Slo, stolen: float) -> Iterator[str]:
    """Reasons not to believe what was measured."""
    if done.objection:
        yield done.objection
    if done.cpus > BUSY:
        yield f"the generator used {done.cpus:.0%} of a CPU"
    if done.sent < SENT * done.due:
        yield f"the generator sent {done.sent} of {done.due} requests"
    if done.lag > LAG * slo.latency:
        yield f"the generator was {done.lag * 1000:.0f} ms late"
    if done.refused:
        yield f"{done.refused} answers were 429: switch the rate limit off"
    if stolen > STEAL:
        yield f"the hypervisor took {stolen:.0%} of the CPU"
