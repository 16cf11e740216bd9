"""Key rotation: a key is published before it signs, and until its last token has expired."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

from shared.background import repeated
from shared.identity.keys import MAX_AGE
from shared.identity.tokens import LEEWAY
from shared.logging import get_logger
from users.clock import utc_now
from users.domain import StoredKey
from users.exceptions import RotationUnderWay
from users.key_ring import ALWAYS, KeyRing
from users.keys import jwk, new_key, private_pem, public_pem
from users.settings import UsersSettings
from users.store import Store

LOOK = 5.0  # seconds between two looks at the stored keys
LEAD = timedelta(seconds=2 * MAX_AGE + 2 * LOOK)  # until every verifier has fetched a new key
MARGIN = timedelta(seconds=60 + LEEWAY)  # workers' clocks differ
START = 1.0  # seconds for which a start waits for the stored keys
log = get_logger()


class KeyRotation:
    def __init__(self, store: Store, ring: KeyRing, settings: UsersSettings) -> None:
        self._store = store
        self._ring = ring
        self._lifetime = timedelta(seconds=max(settings.access_token_seconds, settings.key_token_seconds))

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[KeyRing]:
        """Keeps the ring up to date for as long as the block runs."""
        async with repeated(self.read, "signing_keys", pause=LOOK, wait=START):
            yield self._ring

    async def read(self) -> None:
        """Raises DatabaseUnavailable."""
        async with self._store.transaction() as tx:
            self._ring.update(await tx.signing_keys.all())

    async def rotate(self, lead: timedelta = LEAD, *, at_once: bool = False) -> tuple[StoredKey, datetime]:
        """Returns the new key, and when the old ones stop to verify.

        `at_once` is for a compromised key: it neither signs nor verifies from now on, so all clients have to
        refresh. Raises RotationUnderWay while an earlier new key does not sign yet.
        """
        now = utc_now()
        signs_from = now if at_once else now + lead
        old_until = now if at_once else signs_from + self._lifetime + MARGIN
        made = self._made(signs_from)
        async with self._store.transaction() as tx:
            await tx.signing_keys.lock()
            if not at_once and any(key.signs_from > now for key in await tx.signing_keys.all()):
                raise RotationUnderWay
            await tx.signing_keys.forget(now)
            await tx.signing_keys.add_if_missing(self._first())
            await tx.signing_keys.end_all(old_until)
            await tx.signing_keys.add_if_missing(made)
            await tx.audit.add("signing_key_rotated", None, key_id=made.key_id, at_once=at_once)
        log.info("signing_key_rotated", key_id=made.key_id, signs_from=signs_from.isoformat())
        return made, old_until

    def _made(self, signs_from: datetime) -> StoredKey:
        key = new_key()
        public = key.public_key()
        sealed = self._ring.seal(private_pem(key))
        return StoredKey(jwk(public)["kid"], public_pem(public), sealed, signs_from, None)

    def _first(self) -> StoredKey:
        public = self._ring.first.public_key()
        return StoredKey(jwk(public)["kid"], public_pem(public), None, ALWAYS, None)
