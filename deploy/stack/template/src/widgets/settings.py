"""Settings: `WIDGETS_*` in the environment, or files in `WIDGETS_SECRETS_DIR`."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.settings import DatabaseSettings, Port, RemoteIdentitySettings, ServiceSettings


class MigrationSettings(ServiceSettings, DatabaseSettings):
    """For the migration step, which gets the database password and no other secret."""

    model_config = SettingsConfigDict(env_prefix="WIDGETS_")

    service: str = "widgets"
    port: Port = 8009


class WidgetsSettings(MigrationSettings, RemoteIdentitySettings):
    body_limit: int = Field(default=65_536, ge=1, description="Largest request body, bytes.")
