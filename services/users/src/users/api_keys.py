"""The rules of API keys: a key stands for its owner, as a plain user."""

from collections.abc import Sequence
from datetime import timedelta

from shared.exceptions import require_found
from shared.identity.caller import Caller
from shared.logging import get_logger
from users.clock import utc_now
from users.credentials import NewApiKey, digest
from users.domain import KEY_SESSION, ApiKey, Token
from users.exceptions import ApiKeyNotFound, InvalidApiKey, TooManyApiKeys
from users.revoker import Revoker
from users.schemas import ApiKeyRequest
from users.service import require_active
from users.settings import UsersSettings
from users.store import Store
from users.tokens import TokenSigner

MOST_KEYS = 20
log = get_logger()


class ApiKeyService:
    def __init__(self, store: Store, signer: TokenSigner, revoker: Revoker, settings: UsersSettings) -> None:
        self._store = store
        self._signer = signer
        self._revoker = revoker
        self._token_seconds = settings.key_token_seconds

    async def create(self, user_id: int, wanted: ApiKeyRequest) -> tuple[ApiKey, str]:
        """The stored key and its text, which is not stored. Raises TooManyApiKeys."""
        made = NewApiKey.new()
        now = utc_now()
        days = wanted.expires_in_days
        async with self._store.transaction() as tx:
            owner = require_active(await tx.users.lock(user_id))
            await tx.keys.forget(owner.id, now)
            if len(await tx.keys.owned_by(owner.id)) >= MOST_KEYS:
                raise TooManyApiKeys(limit=MOST_KEYS)
            stored = await tx.keys.add(
                {
                    "user_id": owner.id,
                    "name": wanted.name,
                    "prefix": made.prefix,
                    "digest": digest(made.text),
                    "expires_at": now + timedelta(days=days) if days else None,
                    "scopes": sorted(set(wanted.scopes)),
                }
            )
            await tx.audit.add("api_key_created", owner.id, key_id=stored.id, scopes=stored.scopes)
        log.info("api_key_created", user_id=user_id, key_id=stored.id)
        return stored, made.text

    async def owned_by(self, user_id: int) -> Sequence[ApiKey]:
        return await self._store.autocommit.keys.owned_by(user_id)

    async def revoke(self, key_id: int, user_id: int) -> None:
        """Raises ApiKeyNotFound, also for another account's key; redis' errors, and then the key stays."""
        await self._revoker.require_redis()
        async with self._store.transaction() as tx:
            removed = require_found(await tx.keys.remove(key_id, user_id), ApiKeyNotFound())
            ended = await self._revoker.end_key(tx, user_id, removed.session_id)
            await tx.audit.add("api_key_revoked", user_id, key_id=key_id)
        await self._revoker.announce(ended)
        log.info("api_key_revoked", user_id=user_id, key_id=key_id)

    async def exchange(self, given: str) -> Token:
        """A short token for a key (the phantom-token pattern).

        Never with the admin scope: keys lie in files and scripts, where an administrator's power must not.
        Raises InvalidApiKey.
        """
        async with self._store.transaction() as tx:
            key = await tx.keys.by_digest(digest(given))
            owner = await tx.users.by_id(key.user_id) if key else None
            if key is None or owner is None or not owner.is_active:
                raise InvalidApiKey
            lifetime = self._lifetime(key)
            if lifetime <= 0:
                raise InvalidApiKey
            await tx.keys.used(key.id, utc_now())
        token = self._signer.access_token(owner.id, key.session_id, scopes=key.scopes, lifetime=lifetime)
        return Token(token, lifetime)

    def _lifetime(self, key: ApiKey) -> int:
        """Seconds; a token does not outlive its key."""
        if key.expires_at is None:
            return self._token_seconds
        return min(self._token_seconds, int((key.expires_at - utc_now()).total_seconds()))


def stands_for_key(caller: Caller) -> bool:
    return caller.session_id.startswith(KEY_SESSION)
