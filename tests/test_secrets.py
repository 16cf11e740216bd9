"""Who is given which secret, under Compose, on a cluster and embedded."""

import re
import tomllib
from pathlib import Path

import pytest

from stack.catalogue import services
from stack.processes import for_migrations

ROOT = Path(__file__).parent.parent
PLAN = tomllib.loads((ROOT / "deploy/secrets.toml").read_text())


def mounts() -> dict[str, set[str]]:
    """The holders whose folders each Compose service can read."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in (ROOT / "docker-compose.yml").read_text().splitlines():
        if service := re.fullmatch(r"  ([a-z-]+):.*", line):
            name = service[1]
        for holder in re.findall(r"secrets-([a-z-]+):/", line):
            found.setdefault(name, set()).add(holder)
    return found


def readers(secret: str) -> set[str]:
    holders = {holder for holder, files in PLAN.items() if secret in files}
    return {service for service, folders in mounts().items() if folders & holders} - {"secrets"}


def test_only_users_reads_the_signing_key() -> None:
    """Not the step that makes its role, and not its migrations."""
    assert readers("users_signing_key") == {"users"}


def test_only_the_two_ends_know_the_internal_secret() -> None:
    assert readers("users_internal_secret") | readers("gateway_internal_secret") == {"users", "gateway"}
    assert PLAN["users"]["users_internal_secret"] == PLAN["gateway"]["gateway_internal_secret"]


@pytest.mark.parametrize("service", [name for name, service in services().items() if service.database])
def test_migrations_are_given_the_database_password_alone(service: str, tmp_path: Path) -> None:
    assert set(PLAN[f"{service}-database"]) == {f"{service}_database_password"}
    assert mounts()[f"{service}-migrate"] == {f"{service}-database"}
    given = for_migrations(services()[service], {}, tmp_path)
    assert given == {f"{service.upper()}_SECRETS_DIR": str(tmp_path / f"{service}-database")}
    job = (ROOT / "deploy/cluster/migrate.yaml").read_text()
    assert f"secretName: facet-{service}-database," in job
    assert f"secretName: facet-{service}," not in job


def test_the_manual_of_the_cluster_names_every_holder() -> None:
    manual = (ROOT / "deploy/cluster/README.md").read_text()
    line = next(line for line in manual.splitlines() if line.strip().startswith("for holder in"))
    assert set(line.split("in ", 1)[1].split(";")[0].split()) == set(PLAN) - {"redis"}


def test_the_image_has_a_folder_for_every_holder() -> None:
    """A volume takes its owner from the folder that it is mounted over."""
    recipe = (ROOT / "deploy/Dockerfile").read_text()
    assert set(re.findall(r"for holder in ([a-z -]+);", recipe)[0].split()) == set(PLAN)
