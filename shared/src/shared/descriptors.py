"""How many connections the process may open, by its limit of file descriptors."""

import resource

RESERVED = 256  # descriptors for upstreams, databases, logs and files
SPARE = 16  # connections above the limit that may stay open until their request was refused


def connection_cap(wanted: int) -> int:
    """`wanted`, or less where the process may not open so many descriptors."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, allowed - RESERVED - SPARE))


def raise_descriptor_limit(wanted: int) -> None:
    """Allow this process `wanted` connections, as far as the hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED + SPARE
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
