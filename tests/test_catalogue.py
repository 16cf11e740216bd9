"""`services.toml` and what has to agree with it."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from stack.catalogue import Service, services

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
SECRETS: dict[str, Any] = tomllib.loads((ROOT / "deploy/secrets.toml").read_text())
SERVICES = pytest.mark.parametrize("service", services().values(), ids=services())


def compose() -> dict[str, str]:
    """The text of each entry under `services:`."""
    text = (ROOT / "docker-compose.yml").read_text()
    body = re.split(r"^(?=[a-z])", text.partition("\nservices:\n")[2], flags=re.MULTILINE)[0]
    entries = re.split(r"^  ([a-z-]+):", body, flags=re.MULTILINE)[1:]
    return dict(zip(entries[::2], entries[1::2], strict=True))


@SERVICES
def test_a_service_is_a_member_of_the_workspace(service: Service) -> None:
    tools = PROJECT["tool"]
    assert service.folder in tools["uv"]["workspace"]["members"]
    assert f"{service.folder}/src" in tools["mypy"]["mypy_path"].split(":")
    assert f"{service.folder}/tests" in tools["pytest"]["ini_options"]["testpaths"]
    assert service.package in tools["coverage"]["run"]["source_pkgs"]


@SERVICES
def test_a_service_listens_on_its_own_ports_everywhere(service: Service) -> None:
    entry = compose()[service.name]
    assert f"{service.variable}_METRICS_PORT: {service.metrics_port}" in entry
    assert f'healthy.py, "{service.port}"' in entry
    settings = (ROOT / service.folder / "src" / service.package / "settings.py").read_text()
    assert re.search(rf"port: Port = {service.port}\b", settings)


@SERVICES
def test_a_service_has_secrets_and_a_database_where_it_owns_one(service: Service) -> None:
    assert service.name in SECRETS
    assert (f"{service.name}-database" in SECRETS) == service.database
    assert (f"{service.name}-migrate" in compose()) == service.database
    migrations = ROOT / service.folder / "src" / service.package / "migrations"
    assert migrations.is_dir() == service.database


@SERVICES
def test_one_variable_switches_every_service_to_production(service: Service) -> None:
    assert re.search(
        rf"{service.variable}_ENVIRONMENT: (&environment \$|\*environment)", compose()[service.name]
    )


def test_no_two_processes_share_a_port() -> None:
    ports = [port for service in services().values() for port in (service.port, service.metrics_port)]
    further = [
        process.metrics_port for service in services().values() for process in service.processes.values()
    ]
    used = [port for port in ports + further if port]
    assert len(used) == len(set(used))


@SERVICES
def test_every_further_process_runs_under_compose_too(service: Service) -> None:
    entries = compose()
    for name, process in service.processes.items():
        assert f"command: [{process.module}]" in entries[name]


def test_the_makefile_installs_and_checks_every_service() -> None:
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", "check"],  # noqa: S607 - make is where the caller has it
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for service in services().values():
        assert f"-e {service.folder} " in shown
        assert f" {service.folder}/src " in shown
