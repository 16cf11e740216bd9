"""The servers, and the settings of the services for them."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

import items.migrations
import users.migrations
from items.settings import EventSettings
from shared.embedded import EmbeddedPostgres, EmbeddedValkey
from shared.logging import configure_logging
from shared.migrations import upgrade
from shared.provision import provision
from users.settings import UsersSettings


class World:
    """Settings of the services, for servers that run. `version` is the default one of the model."""

    version = "0"

    def __init__(self, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        redis = {"redis_url": valkey.url, "redis_password": valkey.password, "redis_timeout": 5.0}
        passwords = {name: secrets.token_urlsafe() for name in ("users", "items")}
        asyncio.run(provision(postgres.admin_url, passwords))
        database = {
            name: {"database_url": postgres.url(name, name), "database_password": password}
            for name, password in passwords.items()
        }
        self.users = UsersSettings(
            **database["users"],
            **redis,
            signing_key=_signing_key(),
            internal_secret="nobody asks for it here",
            log_level="error",
            refresh_grace_seconds=60,  # a slow machine must not make a retry a reuse
        )
        self.items = EventSettings(**database["items"], **redis, log_level="error")
        configure_logging(self.users)
        upgrade(users.migrations.FOLDER, self.users)
        upgrade(Path(items.migrations.__file__).parent, self.items)


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    password = secrets.token_urlsafe()
    postgres = EmbeddedPostgres(folder / "pg", password, folder / "pg.log", durable=False)
    valkey = EmbeddedValkey(folder / "valkey", password, folder / "valkey.log")
    try:
        postgres.start()
        valkey.start()
        yield World(postgres, valkey)
    finally:
        valkey.stop()
        postgres.stop()


def _signing_key() -> Any:
    key = ec.generate_private_key(ec.SECP256R1())
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, *private).decode()
