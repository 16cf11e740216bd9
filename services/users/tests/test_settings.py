"""What stops the start, with one line."""

import pytest

from shared.memory import MIB
from shared.settings import load_settings
from users.argon2 import HASH_MEMORY
from users.settings import PROCESS, MigrationSettings, UsersSettings, hash_threads


@pytest.fixture
def environment(monkeypatch, settings, tmp_path):
    (tmp_path / "users_signing_key").write_text(settings.signing_key.get_secret_value())
    (tmp_path / "users_database_password").write_text("x")
    (tmp_path / "users_redis_password").write_text("y")
    (tmp_path / "users_internal_secret").write_text("known-to-users-and-gateway")
    monkeypatch.setenv("USERS_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("USERS_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("USERS_REDIS_URL", settings.redis_url)
    return monkeypatch


def test_secrets_come_from_their_folder(environment, settings):
    loaded = load_settings(UsersSettings)
    assert loaded.signing_key.get_secret_value() == settings.signing_key.get_secret_value().strip()
    assert (loaded.service, loaded.port) == ("users", 8001)


def test_no_secret_is_shown(environment):
    assert "PRIVATE" not in repr(load_settings(UsersSettings))


@pytest.mark.parametrize("name", ["USERS_SIGNING_KEY", "USERS_RETIRED_KEYS"])
def test_a_wrong_key_is_named_and_never_quoted(environment, name):
    environment.setenv(name, "-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----")
    with pytest.raises(SystemExit, match=f"{name}: ") as refused:
        load_settings(UsersSettings)
    assert "hush" not in str(refused.value)


def test_a_missing_key_is_named(environment, tmp_path):
    (tmp_path / "users_signing_key").unlink()
    with pytest.raises(SystemExit, match="USERS_SIGNING_KEY is missing"):
        load_settings(UsersSettings)


def test_migrating_needs_the_database_only(environment, tmp_path):
    (tmp_path / "users_signing_key").unlink()
    environment.delenv("USERS_REDIS_URL")
    assert load_settings(MigrationSettings).database_password.get_secret_value() == "x"


@pytest.mark.parametrize("link", ["", "https://shop.example", "{nothing}", "{token", "{token.x}"])
def test_a_link_without_its_token_is_refused(environment, link):
    environment.setenv("USERS_MAIL_LINK", link or " ")
    with pytest.raises(SystemExit, match="USERS_MAIL_LINK"):
        load_settings(UsersSettings)


def test_production_prints_no_mail(environment):
    assert load_settings(UsersSettings).mail_transport == "console"
    environment.setenv("USERS_ENVIRONMENT", "production")
    assert load_settings(UsersSettings).mail_transport == "off"
    environment.setenv("USERS_MAIL", "console")
    with pytest.raises(SystemExit, match="tokens into the log"):
        load_settings(UsersSettings)


@pytest.mark.parametrize("secret", ["", "short"])
def test_an_internal_secret_that_can_be_guessed_is_refused(environment, tmp_path, secret):
    (tmp_path / "users_internal_secret").write_text(secret)
    with pytest.raises(SystemExit, match="USERS_INTERNAL_SECRET"):
        load_settings(UsersSettings)


def test_hash_threads_are_a_workers_share_of_the_cpus(environment):
    environment.setenv("USERS_WORKERS", "512")
    assert load_settings(UsersSettings).hash_thread_count == 1
    environment.setenv("USERS_HASH_THREADS", "3")
    assert load_settings(UsersSettings).hash_thread_count == 3


@pytest.mark.parametrize(
    ("workers", "cpus", "memory", "threads"),
    [
        (1, 16, 384, 5),  # the container that Compose gives it, on a large machine
        (1, 2, 384, 2),
        (1, 16, 64 * 1024, 16),
        (4, 16, 64 * 1024, 4),
        (4, 16, 1024, 3),
        (8, 2, 64 * 1024, 1),
        (1, 16, 128, 1),  # less than it needs anyway
    ],
)
def test_hash_threads_follow_cpus_and_memory_whichever_is_less(workers, cpus, memory, threads):
    assert hash_threads(workers, cpus, memory * MIB) == threads
    if memory > 128:
        taken = (workers + 1) * PROCESS + workers * threads * HASH_MEMORY
        assert taken < memory * MIB
