"""Settings: read once from the environment and a folder of secrets, then passed along, never imported."""

import os
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.cpus import usable_cpus

Port = Annotated[int, Field(ge=0, le=65_535)]


class WireSettings(BaseModel):
    """Limits of the HTTP server itself; a request that breaks one never reaches the application."""

    head_limit: int = Field(
        default=32_768, ge=1024, description="Largest request line with its headers and trailers, bytes."
    )
    pipeline_limit: int = Field(
        default=8, ge=0, description="Pipelined requests that may wait on one connection."
    )
    max_connections: int = Field(
        default=4096, ge=1, description="Connections of each worker; 503 above it, and above the descriptors."
    )
    head_timeout: float = Field(
        default=10.0, gt=0, description="Seconds for a request's head, from its first byte to its last."
    )
    keep_alive: float = Field(default=75.0, gt=0, description="Idle seconds before a connection is closed.")
    body_timeout: float = Field(
        default=20.0, gt=0, description="Seconds without a byte of a request body that is still to come."
    )
    answer_timeout: float = Field(
        default=30.0, gt=0, description="Seconds in which a client reads nothing of an answer."
    )
    drain_grace: float = Field(
        default=2.0,
        ge=0,
        description="Seconds in which a stopping worker still answers requests on idle connections.",
    )


class ServiceSettings(WireSettings, BaseSettings):
    """The settings of every service, which subclasses this with its own prefix (`ITEMS_PORT`, …)."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    service: str = Field(description="Name of the service, as it stands in logs and metrics.")
    version: str = "0.1.0"
    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: Port
    metrics_port: Port = Field(default=0, description="Port of /metrics; 0 serves none.")
    workers: int | None = Field(default=None, ge=1, le=512, description="Unset: one for each usable CPU.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    body_limit: int = Field(default=1_048_576, ge=1, description="Largest request body, bytes.")
    graceful_timeout: int = Field(
        default=25, ge=2, description="Seconds that requests in flight get after SIGTERM."
    )

    @property
    def docs(self) -> bool:
        """True if /docs and /openapi.json are served."""
        return self.environment == "development"

    @cached_property
    def worker_count(self) -> int:
        return self.workers or usable_cpus()


class DatabaseSettings(BaseModel):
    """For a service that owns a database."""

    database_url: str = Field(
        pattern=r"^postgresql\+asyncpg://[^:@/]+@\S*/[\w-]+(\?\S*)?$",
        description="postgresql+asyncpg://role@host/database, without a password.",
    )
    database_password: SecretStr = Field(min_length=1)
    database_pool_size: int = Field(default=5, ge=1, description="Connections of each worker.")
    database_timeout: float = Field(
        default=2.0, gt=0, description="Seconds to connect or to wait for the pool."
    )
    database_command_timeout: float = Field(
        default=5.0, gt=0, description="Seconds for one statement, after which Postgres ends it too."
    )


class RedisSettings(BaseModel):
    """For a service that talks to Redis on the request path."""

    redis_url: str = Field(
        pattern=r"^(rediss?|unix)://[^@\s]+$",
        description="redis://host:6379/0 or unix:///path, without a password.",
    )
    redis_username: str | None = Field(default=None, description="Unset: Redis' default user.")
    redis_password: SecretStr = Field(min_length=1)
    redis_timeout: float = Field(default=0.5, gt=0, description="Seconds for one command.")


class IdentitySettings(BaseModel):
    """What an access token must say to be accepted."""

    token_issuer: str = "facet"  # noqa: S105 - a name, not a secret
    token_audience: str = "facet"  # noqa: S105 - a name, not a secret
    token_cache_size: int = Field(default=10_000, ge=1, description="Verified tokens that are kept.")
    token_longest_seconds: int = Field(
        default=3600, ge=1, description="Longest lifetime of a token that is accepted."
    )


class EventProcessSettings(DatabaseSettings, RedisSettings):
    """For a relay or a consumer of events."""


class RemoteIdentitySettings(IdentitySettings, RedisSettings):
    """For a service that verifies tokens but does not sign them; ended sessions are told through Redis."""

    jwks_url: str = Field(pattern=r"^https?://\S+$", description="Where the signing keys are published.")


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


def load_settings(cls: type[SettingsT], **given: Any) -> SettingsT:
    """Read `cls` from the environment and from the folder that `<PREFIX>SECRETS_DIR` names.

    Raises SystemExit with one line that names each wrong variable: nobody starts with a bad setting.
    """
    prefix = str(cls.model_config.get("env_prefix", ""))
    folder = os.environ.get(f"{prefix}SECRETS_DIR")
    if folder is not None and not Path(folder).is_dir():
        raise SystemExit(f"{prefix}SECRETS_DIR={folder} is not a folder")
    try:
        return cls(_secrets_dir=folder, **given)
    except ValidationError as error:
        # Only names and reasons: a value could be a secret.
        reasons = [_reason(prefix, item["loc"], item["type"], item["msg"]) for item in error.errors()]
        raise SystemExit("wrong settings: " + "; ".join(reasons)) from None
    except SettingsError as error:  # no JSON for a list, no text in a file; it names the field
        field = str(error).partition('"')[2].partition('"')[0]
        raise SystemExit(f"wrong settings: {prefix}{field.upper()}: cannot be read") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{prefix}SECRETS_DIR={folder} cannot be read: {type(error).__name__}") from None


def _reason(prefix: str, location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = prefix + "_".join(str(part) for part in location).upper() if location else prefix + "*"
    return f"{name} is missing" if kind == "missing" else f"{name}: {message}"
