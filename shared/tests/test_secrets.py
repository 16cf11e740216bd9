"""Secrets are made once, whole, and for their holders alone."""

import stat
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.secrets import main, make_secrets

PLAN = {
    "users": {"users_password": "password", "users_redis": "password:redis", "users_key": "ec-p256"},
    "items": {"items_password": "password", "items_redis": "password:redis"},
}


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_each_holder_gets_its_own_and_no_other(tmp_path: Path) -> None:
    made = make_secrets(tmp_path / "secrets", PLAN)
    assert len(made) == 5
    assert set(contents(tmp_path / "secrets")) == {
        "users/users_password",
        "users/users_redis",
        "users/users_key",
        "items/items_password",
        "items/items_redis",
    }


def test_passwords_are_long_and_all_different(tmp_path: Path) -> None:
    make_secrets(tmp_path, PLAN)
    make_secrets(tmp_path / "again", PLAN)
    passwords = [
        (folder / name).read_text()
        for folder in (tmp_path, tmp_path / "again")
        for name in ("users/users_password", "items/items_password", "users/users_redis")
    ]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password) >= 32 for password in passwords)


def test_a_shared_value_is_the_same_for_all_its_holders(tmp_path: Path) -> None:
    make_secrets(tmp_path, PLAN)
    made = contents(tmp_path)
    assert made["users/users_redis"] == made["items/items_redis"]
    assert made["users/users_password"] != made["users/users_redis"]


def test_a_new_holder_gets_the_value_that_the_others_have(tmp_path: Path) -> None:
    make_secrets(tmp_path, {"users": PLAN["users"]})
    before = contents(tmp_path)
    make_secrets(tmp_path, PLAN)
    assert contents(tmp_path)["items/items_redis"] == before["users/users_redis"]


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    make_secrets(tmp_path, PLAN)
    before = contents(tmp_path)
    assert make_secrets(tmp_path, PLAN) == []
    assert contents(tmp_path) == before


def test_what_an_interrupted_start_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users/users_key.part").write_text("-----BEGIN PRIV")
    (tmp_path / "users/users_key.part").chmod(0o444)
    make_secrets(tmp_path, PLAN)
    assert load_pem_private_key((tmp_path / "users/users_key").read_bytes(), None)
    assert not list(tmp_path.rglob("*.part"))


def test_the_signing_key_is_for_es256(tmp_path: Path) -> None:
    make_secrets(tmp_path, PLAN)
    key = load_pem_private_key((tmp_path / "users/users_key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_the_folder_is_private_and_the_files_cannot_be_written(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets", PLAN)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {0o444}


@pytest.mark.parametrize("kind", ["passwort", "", ":redis", "rsa"])
def test_an_unknown_kind_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match="no such kind of secret"):
        make_secrets(tmp_path, {"users": {"users_password": kind}})
    assert contents(tmp_path) == {}


def test_the_command_says_how_many_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('[users]\nusers_password = "password"\n')
    monkeypatch.setattr(sys, "argv", ["secrets", str(tmp_path / "made"), str(plan)])
    main()
    main()
    assert capsys.readouterr().out.splitlines() == [
        f"secrets: 1 made in {tmp_path / 'made'}",
        f"secrets: 0 made in {tmp_path / 'made'}",
    ]
    assert (tmp_path / "made/users/users_password").exists()
