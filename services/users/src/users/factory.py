"""Builds the services from their resources: one place for the web, the commands and the tests."""

from redis.asyncio import Redis

from shared.database import Database
from users.administration import AdminService
from users.api_keys import ApiKeyService
from users.audit import AuditService
from users.email_tokens import EmailTokenService
from users.key_ring import KeyRing
from users.key_rotation import KeyRotation
from users.keys import derived
from users.mailer import Mailer
from users.passwords import Passwords
from users.restorer import Restorer
from users.revoker import Revoker
from users.service import AccountService
from users.sessions import SessionService
from users.settings import UsersSettings
from users.sign_in import SignInService
from users.store import Store
from users.throttle import SignInThrottle
from users.tokens import TokenSigner


class Factory:
    """Holds the shared resources. Callers pass what only one service needs."""

    def __init__(self, settings: UsersSettings, database: Database, redis: Redis) -> None:
        self._settings = settings
        self._redis = redis
        self.store = Store(database)
        self.ring = KeyRing(settings)
        self._signer = TokenSigner(settings, self.ring)
        longest = max(settings.access_token_seconds, settings.key_token_seconds)
        self._revoker = Revoker(redis, longest)
        self._throttle = SignInThrottle(redis, settings.pair_attempts, settings.address_attempts)

    def accounts(self, passwords: Passwords) -> AccountService:
        return AccountService(self.store, passwords, self._revoker, self._throttle)

    def administration(self) -> AdminService:
        return AdminService(self.store, self._revoker)

    def sessions(self) -> SessionService:
        key = derived(self.ring.first, "refresh tokens")
        return SessionService(self.store, self._signer, self._revoker, self._settings, key)

    def sign_in(self, passwords: Passwords) -> SignInService:
        required = self._settings.verify_email == "required"
        return SignInService(self.store, passwords, self.sessions(), self._throttle, needs_verified=required)

    def email_tokens(self, passwords: Passwords, mailer: Mailer) -> EmailTokenService:
        return EmailTokenService(self.store, passwords, self._revoker, mailer, self._throttle, self._settings)

    def api_keys(self) -> ApiKeyService:
        return ApiKeyService(self.store, self._signer, self._revoker, self._settings)

    def audit(self) -> AuditService:
        return AuditService(self.store, self._settings.audit_days)

    def key_rotation(self) -> KeyRotation:
        return KeyRotation(self.store, self.ring, self._settings)

    def restorer(self) -> Restorer:
        return Restorer(self.store, self._redis)
