"""The listings' environment, prefix `ITEMS_`."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from shared.settings import (
    DatabaseSettings,
    EventProcessSettings,
    Port,
    RemoteIdentitySettings,
    ServiceSettings,
)


class MigrationSettings(ServiceSettings, DatabaseSettings):
    """What migrating needs: the database and nothing else."""

    model_config = SettingsConfigDict(env_prefix="ITEMS_")

    service: str = "items"
    port: Port = 8002


class EventSettings(MigrationSettings, EventProcessSettings):
    """For the relay and the consumer."""

    event_consumers: tuple[str, ...] = Field(
        default=(), description="Who must have handled an event before it may be forgotten."
    )


class ItemsSettings(EventSettings, RemoteIdentitySettings):
    """What serving needs. The longest listing takes 62 KiB, when all its characters are escaped."""

    idempotency_hours: int = Field(
        default=24, ge=1, le=8760, description="For which a repeated request gets its first answer."
    )
    import_hours: int = Field(
        default=168, ge=1, le=8760, description="For which an import that stands still can be continued."
    )
    body_limit: int = Field(default=65_536, ge=1, description="Largest request body, bytes.")
    ml_predict_url: str = Field(default="http://127.0.0.1:8003", description="Where diamonds are priced.")
    database_pool_size: int = Field(
        default=5, ge=2, description="Connections of each worker; half of them are for searches."
    )
    search_timeout: float = Field(default=1.0, ge=0.05, le=30, description="Seconds for one search.")
    appraisal_timeout: float = Field(
        default=2.0, gt=0, le=60, description="Seconds for a whole answer of ml-predict, connecting included."
    )
    appraisal_hours: int = Field(
        default=24, ge=1, le=8760, description="For which an appraisal by the default model is remembered."
    )
    read_cache_size: int = Field(
        default=10_000, ge=0, description="Listings that each worker keeps in memory; 0 keeps none."
    )
    read_cache_seconds: float = Field(
        default=30.0, gt=0, description="Longest time for which a listing is kept."
    )

    @property
    def for_searches(self) -> DatabaseSettings:
        """Postgres ends what takes too long: asyncpg sends it what it does not know itself."""
        mark = "&" if "?" in self.database_url else "?"
        url = f"{self.database_url}{mark}statement_timeout={self.search_timeout * 1000:.0f}"
        return self.model_copy(update={"database_url": url, "database_pool_size": self._searches})

    @property
    def for_the_rest(self) -> DatabaseSettings:
        return self.model_copy(update={"database_pool_size": self.database_pool_size - self._searches})

    @property
    def _searches(self) -> int:
        return self.database_pool_size // 2

    @field_validator("ml_predict_url")
    @classmethod
    def _origin_only(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or f"{parts.scheme}://{parts.netloc}" != url.rstrip("/"):
            raise ValueError("must be http://host:port")
        return url.rstrip("/")
