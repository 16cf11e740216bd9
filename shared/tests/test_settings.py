"""A wrong setting stops the start with one line that names it and keeps what it holds to itself."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from shared.settings import (
    DatabaseSettings,
    Port,
    RemoteIdentitySettings,
    ServiceSettings,
    load_settings,
)


class Settings(ServiceSettings, DatabaseSettings, RemoteIdentitySettings):
    model_config = SettingsConfigDict(env_prefix="GEMS_")

    service: str = "gems"
    port: Port = 8009
    origins: tuple[str, ...] = ()


RIGHT = {
    "GEMS_DATABASE_URL": "postgresql+asyncpg://gems@db:5432/gems",
    "GEMS_DATABASE_PASSWORD": "hush-database",
    "GEMS_REDIS_URL": "redis://cache:6379/0",
    "GEMS_REDIS_PASSWORD": "hush-redis",
    "GEMS_JWKS_URL": "http://users:8001/.well-known/jwks.json",
}


@pytest.fixture(autouse=True)
def _right(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def refusal() -> str:
    with pytest.raises(SystemExit) as stopped:
        load_settings(Settings)
    line = str(stopped.value)
    assert "\n" not in line
    return line


def test_right_settings_are_read_from_the_environment() -> None:
    settings = load_settings(Settings)
    assert settings.database_url == RIGHT["GEMS_DATABASE_URL"]
    assert settings.database_password == SecretStr("hush-database")
    assert settings.service == "gems"


@pytest.mark.parametrize("name", RIGHT)
def test_a_missing_variable_is_named_with_its_prefix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    assert refusal() == f"wrong settings: {name} is missing"


@pytest.mark.parametrize("name", RIGHT)
def test_an_empty_variable_is_a_missing_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "")
    assert refusal() == f"wrong settings: {name} is missing"


def test_all_missing_variables_stand_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RIGHT:
        monkeypatch.delenv(name)
    line = refusal()
    assert all(f"{name} is missing" in line for name in RIGHT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GEMS_PORT", "hush-65536x"),
        ("GEMS_PORT", "65666"),
        ("GEMS_WORKERS", "0"),
        ("GEMS_LOG_LEVEL", "hush-loud"),
        ("GEMS_ENVIRONMENT", "hush-staging"),
        ("GEMS_ORIGINS", "hush-no-json"),
        ("GEMS_DATABASE_POOL_SIZE", "-98765"),
        ("GEMS_DATABASE_URL", "postgresql+asyncpg://gems:hush-inline@db/gems"),
        ("GEMS_DATABASE_URL", "mysql://gems@hush-host/gems"),
        ("GEMS_DATABASE_URL", "hush"),
        ("GEMS_REDIS_URL", "redis://:hush-inline@cache"),
        ("GEMS_REDIS_URL", "hush"),
        ("GEMS_JWKS_URL", "ftp://hush"),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    line = refusal()
    assert line.startswith(f"wrong settings: {name}: ")
    assert value not in line
    assert "hush" not in line


def test_secrets_come_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMS_DATABASE_PASSWORD")
    monkeypatch.setenv("GEMS_SECRETS_DIR", str(tmp_path))
    (tmp_path / "gems_database_password").write_text("from-a-file\n")
    assert load_settings(Settings).database_password == SecretStr("from-a-file")


def test_an_empty_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMS_DATABASE_PASSWORD")
    monkeypatch.setenv("GEMS_SECRETS_DIR", str(tmp_path))
    (tmp_path / "gems_database_password").write_text("\n")
    assert refusal().startswith("wrong settings: GEMS_DATABASE_PASSWORD: ")


def test_a_secret_that_is_no_text_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GEMS_DATABASE_PASSWORD")
    monkeypatch.setenv("GEMS_SECRETS_DIR", str(tmp_path))
    (tmp_path / "gems_database_password").write_bytes(b"\xff\xfehush")
    line = refusal()
    assert line == "wrong settings: GEMS_DATABASE_PASSWORD: cannot be read"


def test_a_secrets_folder_that_is_none_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("GEMS_SECRETS_DIR", str(file))
    assert refusal() == f"GEMS_SECRETS_DIR={file} is not a folder"


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(Settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1
    with pytest.raises(ValidationError, match="frozen"):
        settings.database_pool_size = 1


def test_a_password_is_not_shown_with_the_settings() -> None:
    assert "hush" not in repr(load_settings(Settings))


def test_workers_default_to_the_usable_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.settings.usable_cpus", lambda: 7)
    assert load_settings(Settings).worker_count == 7
    assert load_settings(Settings, workers=3).worker_count == 3


def test_docs_are_for_development_only() -> None:
    assert load_settings(Settings).docs
    assert not load_settings(Settings, environment="production").docs


def test_other_variables_of_the_environment_are_nobodys_business() -> None:
    os.environ["GEMS_UNHEARD_OF"] = "1"
    try:
        load_settings(Settings)
    finally:
        del os.environ["GEMS_UNHEARD_OF"]
