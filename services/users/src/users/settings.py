"""Settings: `USERS_*` in the environment, or files in `USERS_SECRETS_DIR`."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from shared.cpus import usable_cpus
from shared.internal import InternalSettings
from shared.memory import MIB, usable_memory
from shared.settings import DatabaseSettings, EventProcessSettings, IdentitySettings, Port, ServiceSettings
from users.argon2 import HASH_MEMORY
from users.keys import private_key, public_keys

PROCESS = 96 * MIB  # of a worker, or of the master, before it hashes anything


def hash_threads(workers: int, cpus: int, memory: int) -> int:
    """Of each worker: its share of the CPUs or of half the memory that is left, whichever is less.

    On a machine with 16 cores, 16 hashes at once would take a container of 384 MiB over its limit.
    """
    left = max(0, memory - (workers + 1) * PROCESS)
    return max(1, min(cpus // workers, left // 2 // HASH_MEMORY // workers))


class MigrationSettings(ServiceSettings, DatabaseSettings):
    """For the migration step, which gets the database password and no other secret."""

    model_config = SettingsConfigDict(env_prefix="USERS_")

    service: str = "users"
    port: Port = 8001


class EventSettings(MigrationSettings, EventProcessSettings):
    """For the relay, which gets no key that signs."""

    event_consumers: tuple[str, ...] = Field(
        default=("items",), description="Who must have handled an event before it may be forgotten."
    )


class UsersSettings(EventSettings, IdentitySettings, InternalSettings):
    """The name of a lifetime ends with its unit."""

    body_limit: int = Field(default=65_536, ge=1, description="Largest request body, bytes.")
    signing_key: SecretStr = Field(description="Private EC P-256 key that signs access tokens, PEM.")
    retired_keys: SecretStr = Field(
        default=SecretStr(""),
        description="Earlier signing keys, PEM, one after the other: tokens that they signed stay valid.",
    )
    access_token_seconds: int = Field(default=900, ge=1)
    key_token_seconds: int = Field(default=300, ge=1, description="Of a token that stands for an API key.")
    session_days: int = Field(default=30, ge=1, le=3650, description="After that: sign in again.")
    audit_days: int = Field(default=365, ge=1, description="After that an audit event is deleted.")
    most_sessions: int = Field(default=20, ge=1, description="Live sessions of an account; the oldest ends.")
    refresh_grace_seconds: float = Field(
        default=5.0, ge=0, le=60, description="For which a used refresh token gets its successor once more."
    )
    pair_attempts: int = Field(
        default=5, ge=1, description="Free attempts to sign in to one account from one address."
    )
    address_attempts: int = Field(
        default=200, ge=1, description="Free attempts from one address; those under way count."
    )
    mail: Literal["off", "console", "smtp"] | None = Field(
        default=None, description="Unset: console in development, off in production."
    )
    mail_host: str = "127.0.0.1"
    mail_port: int = Field(default=587, ge=1, le=65_535)
    mail_starttls: bool = True
    mail_username: str = ""
    mail_password: SecretStr | None = None
    mail_from: str = "Facet <no-reply@facet.example>"
    mail_link: str = Field(
        default="{token}",
        description="What stands in a mail, for example https://shop.example/{purpose}?token={token}",
    )
    verify_email: Literal["off", "optional", "required"] = Field(
        default="off", description="Whether a mail follows a registration, and a sign-in needs its answer."
    )
    hash_threads: int | None = Field(
        default=None,
        ge=1,
        description="Password hashes at once in each worker. Unset: its share of the CPUs or of the memory.",
    )
    hash_queue: int = Field(default=32, ge=0, description="Hashes that may wait in each worker.")
    hash_wait: float = Field(default=2.0, gt=0, description="Seconds that one may wait.")

    @field_validator("signing_key")
    @classmethod
    def _signs(cls, value: SecretStr) -> SecretStr:
        private_key(value.get_secret_value())
        return value

    @field_validator("retired_keys")
    @classmethod
    def _verify(cls, value: SecretStr) -> SecretStr:
        public_keys(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _accepted_elsewhere(self) -> "UsersSettings":
        if max(self.access_token_seconds, self.key_token_seconds) > self.token_longest_seconds:
            raise ValueError("access_token_seconds and key_token_seconds exceed token_longest_seconds")
        return self

    @field_validator("mail_link")
    @classmethod
    def _can_be_filled_in(cls, link: str) -> str:
        try:
            filled = link.format(purpose="reset", token="TOKEN")  # noqa: S106 - to see where it goes
        except (LookupError, ValueError, AttributeError):
            filled = ""
        if "TOKEN" not in filled:
            raise ValueError("needs {token}, and may have {purpose}")
        return link

    @model_validator(mode="after")
    def _tells_nobody(self) -> "UsersSettings":
        if self.environment == "production" and self.mail == "console":
            raise ValueError("mail=console would write tokens into the log")
        return self

    @property
    def mail_transport(self) -> str:
        return self.mail or ("console" if self.environment == "development" else "off")

    @property
    def hash_thread_count(self) -> int:
        return self.hash_threads or hash_threads(self.worker_count, usable_cpus(), usable_memory())
