"""`make new-service`: in a copy of the checkout a service is made, checked, tested and started."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from stack.catalogue import ROOT, services
from stack.exceptions import StackFailed
from stack.new_service.writer import write_service
from stack.testing import Demo

LEFT_OUT = (
    ".git",
    ".venv",
    ".uv",
    ".facet",
    ".coverage*",
    ".hypothesis",
    ".*_cache",
    "*.egg-info",
    "reports",
)
GUIDE = (ROOT / "docs/splitting.md").read_text().partition("## A new service")[2]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    copied = tmp_path_factory.mktemp("new-service") / "facet"
    shutil.copytree(ROOT, copied, ignore=shutil.ignore_patterns(*LEFT_OUT))
    yield copied
    shutil.rmtree(copied, ignore_errors=True)


@pytest.fixture(scope="module")
def written(checkout: Path) -> set[str]:
    """What writing the service added and changed; the checkout has it from now on."""
    before = contents(checkout)
    write_service("orders", checkout)
    after = contents(checkout)
    return {path for path, digest in after.items() if before.get(path) != digest}


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and ".ruff_cache" not in path.parts
    }


def environment(checkout: Path) -> dict[str, str]:
    """The members of the copy stand before the installed ones. Its files are no part of the coverage."""
    folders = [f"{service.folder}/src" for service in services(checkout / "services.toml").values()]
    paths = [str(checkout / folder) for folder in ["shared/src", "deploy/stack/src", *folders]]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    return {**inherited, "PYTHONPATH": os.pathsep.join(paths)}


def run(checkout: Path, *words: str) -> str:
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", *words],
        cwd=checkout,
        env=environment(checkout),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_guide_names_every_file_that_is_written(written: set[str]) -> None:
    folder, elsewhere = GUIDE.split("Outside its folder", 1)
    own = {path.removeprefix("services/orders/") for path in written if path.startswith("services/orders/")}
    named = re.findall(r"`([\w./]+)`", "".join(re.findall(r"^\| `.*?\|", folder, re.MULTILINE)))
    assert {path for path in own if not path.startswith(tuple(named))} == set()
    assert {name for name in named if not any(path.startswith(name) for path in own)} == set()
    others = set(re.findall(r"^\| \[?`([\w./-]+)`", elsewhere, re.MULTILINE))
    assert others == written - {f"services/orders/{path}" for path in own}


@pytest.mark.usefixtures("written")
def test_it_passes_the_checks(checkout: Path) -> None:
    run(checkout, "ruff", "check", "services/orders", "gateway")
    run(checkout, "ruff", "format", "--check", "services/orders", "gateway")
    cache = ["--cache-dir", str(ROOT / ".mypy_cache")]
    run(checkout, "mypy", *cache, "services/orders/src", "gateway/src/gateway/settings.py")


@pytest.mark.usefixtures("written")
def test_its_tests_and_the_projects_rules_pass(checkout: Path) -> None:
    rules = (f"tests/test_{name}.py" for name in ("layout", "catalogue", "secrets"))
    run(checkout, "pytest", "-q", "-p", "no:cacheprovider", "services/orders/tests", *rules)


@pytest.mark.usefixtures("written")
def test_it_runs_behind_the_gateway(checkout: Path, folder: Path) -> None:
    demo = Demo(folder, root=checkout, FACET_SAMPLE="0", PYTHONPATH=environment(checkout)["PYTHONPATH"])
    try:
        demo.says("Where to look")
        with httpx2.Client(base_url=demo.gateway, trust_env=False) as client:
            assert client.get("/ready").status_code == 200
            assert client.get("/orders").status_code == 401
            account = {"email": "ada@example.com", "name": "Ada", "password": "correct horse battery"}
            client.post("/users", json=account)
            form = {"username": account["email"], "password": account["password"]}
            token = client.post("/auth/token", data=form).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            made = client.post("/orders", json={"name": "The first"}, headers=headers)
            assert made.status_code == 201, made.text
            assert client.get(made.headers["Location"], headers=headers).json() == made.json()
    finally:
        demo.end()


@pytest.mark.parametrize(
    "name",
    ["order", "Orders", "my-orders", "items", "../orders", "", "class", "ifs", "types", "redis", "postgres"],
)
def test_a_name_that_cannot_be_changes_nothing(checkout: Path, name: str) -> None:
    before = contents(checkout)
    with pytest.raises(StackFailed):
        write_service(name, checkout)
    assert contents(checkout) == before


def test_a_file_without_a_place_for_the_service_changes_nothing(checkout: Path) -> None:
    table = checkout / "docker-compose.yml"
    text = table.read_text()
    table.write_text("services: {}\n")
    try:
        with pytest.raises(StackFailed, match="docker-compose"):
            write_service("parcels", checkout)
        assert not (checkout / "services/parcels").exists()
    finally:
        table.write_text(text)
