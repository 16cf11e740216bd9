"""Refuses common passwords."""

import hashlib
from functools import cache
from pathlib import Path

from users.exceptions import PasswordTooCommon

# The 10,000 most common passwords of eight characters or more in the lists of zxcvbn 4.5.0 (MIT), lower-case:
# the first six bytes of the SHA-256 of each, sorted, since many are offensive words.
LIST = Path(__file__).parent / "common_passwords.bin"
WIDTH = 6


@cache
def _common() -> frozenset[bytes]:
    content = LIST.read_bytes()
    return frozenset(content[start : start + WIDTH] for start in range(0, len(content), WIDTH))


def require_uncommon(password: str, email: str, name: str) -> None:
    """Raises PasswordTooCommon for a common password, or one that equals the email or the name."""
    lowered = password.strip().lower()
    own = {email.lower(), email.partition("@")[0].lower(), name.lower()}
    digest = hashlib.sha256(lowered.encode("utf-8", "surrogatepass")).digest()[:WIDTH]
    if lowered in own or digest in _common():
        raise PasswordTooCommon
