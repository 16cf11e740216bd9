"""The address of a database, with its password."""

from sqlalchemy import URL, make_url

from shared.settings import DatabaseSettings


def database_url(settings: DatabaseSettings) -> URL:
    return make_url(settings.database_url).set(password=settings.database_password.get_secret_value())


def driver_url(settings: DatabaseSettings) -> str:
    """As asyncpg reads it."""
    return database_url(settings).set(drivername="postgresql").render_as_string(hide_password=False)
