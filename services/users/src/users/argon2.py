"""What one password hash costs: OWASP's minimum for Argon2id. About 25 ms of one CPU."""

MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
HASH_MEMORY = MEMORY_KIB * 1024  # bytes
