"""How often each action is taken."""

import random
from collections.abc import Mapping

# Mostly reading, as in any shop. Logging in is dear by design: each costs the users service an Argon2 hash,
# 19 MiB and tens of milliseconds of a core, where a read costs one or two. So it has the least weight here: a
# mix with many logins measures Argon2, not the system. Signing up costs two hashes, one for the account and
# one for the first login, which is why users are started at a pace (`--rate`).
USUAL = {"browse": 50, "read": 30, "sell": 8, "appraise": 8, "withdraw": 3, "log_in": 1}


def parse_mix(text: str) -> dict[str, int]:
    """`"browse=60,read=40"`; what is not named does not happen. Raises ValueError with the reason."""
    mix: dict[str, int] = {}
    for part in text.split(","):
        action, _, weight = part.strip().partition("=")
        if action not in USUAL:
            raise ValueError(f"no action is called {action!r}; there are {', '.join(USUAL)}")
        if not weight.isdecimal():
            raise ValueError(f"the weight of {action} must be a whole number, 0 or more")
        mix[action] = int(weight)
    if not any(mix.values()):
        raise ValueError("every weight is 0")
    return mix


def write_mix(mix: Mapping[str, int]) -> str:
    return ",".join(f"{action}={weight}" for action, weight in mix.items())


def pick(mix: Mapping[str, int]) -> str:
    return random.choices(list(mix), list(mix.values()))[0]  # noqa: S311 - load, not secrets
