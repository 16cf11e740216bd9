"""Writes a service from the template and adds it to the files that name every service."""

import importlib.util
import keyword
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stack.catalogue import ROOT, Service, services
from stack.exceptions import StackFailed
from stack.new_service.cluster import deployment
from stack.new_service.insertions import INSERTIONS

TEMPLATE = Path("deploy/stack/template")
NAME = re.compile(r"[a-z][a-z0-9]{0,29}s")
PORT, METRICS_PORT = "8009", "9009"  # as the template has them


def write_service(name: str, root: Path = ROOT) -> Service:
    """Raises StackFailed if the name is unusable or a file has no place for it; then nothing has changed."""
    service = _planned(name, root)
    changed = {path: _inserted(root, path, service) for path in INSERTIONS}
    manifest = (root / "deploy/cluster/items.yaml").read_text()
    changed[f"deploy/cluster/{name}.yaml"] = deployment(manifest, service)
    template = root / TEMPLATE
    for source in sorted(template.rglob("*")):
        if source.is_file() and "__pycache__" not in source.parts:
            path = renamed(f"{service.folder}/{source.relative_to(template)}", service)
            changed[path] = renamed(source.read_text(), service)
    for path, text in changed.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    _format(root, service)
    _write_settings_page(root)
    return service


def renamed(text: str, service: Service) -> str:
    """The template's text with the service's name, its noun and its ports."""
    noun = service.name.removesuffix("s")
    for old, new in (("widget", noun), ("Widget", noun.capitalize()), ("WIDGET", noun.upper())):
        text = text.replace(old, new)
    return text.replace(METRICS_PORT, str(service.metrics_port)).replace(PORT, str(service.port))


def _planned(name: str, root: Path) -> Service:
    listed = services(root / "services.toml")
    if not NAME.fullmatch(name):
        raise StackFailed(f"{name!r} is no plural like orders: lower-case letters and digits, s at the end")
    if name in listed or (root / "services" / name).exists():
        raise StackFailed(f"there is a service {name} already")
    if keyword.iskeyword(name) or keyword.iskeyword(name.removesuffix("s")):
        raise StackFailed(f"Python would not take {name} for a name")
    if importlib.util.find_spec(name) is not None:
        raise StackFailed(f"there is a Python package {name} already, which the service's would hide")
    if re.search(rf"^  {name}:", (root / "docker-compose.yml").read_text(), re.MULTILINE):
        raise StackFailed(f"docker-compose.yml has a {name} already")
    return Service(
        name=name,
        folder=f"services/{name}",
        port=max(entry.port for entry in listed.values()) + 1,
        metrics_port=max(entry.metrics_port for entry in listed.values()) + 1,
        database=True,
    )


def _inserted(root: Path, path: str, service: Service) -> str:
    try:
        return INSERTIONS[path]((root / path).read_text(), service)
    except StackFailed as error:
        raise StackFailed(f"{path}: {error}") from None


def _format(root: Path, service: Service) -> None:
    """Imports are sorted by name, so the order of the template's may be wrong."""
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent))
    if ruff is None:
        return
    for words in (["check", "--select", "I", "--fix"], ["format"]):
        command = [ruff, *words, "--quiet", service.folder, "gateway/src/gateway/settings.py"]
        subprocess.run(command, cwd=root, check=False)  # noqa: S603 - our own tool


def _write_settings_page(root: Path) -> None:
    """In a process of its own: the new package is not installed yet."""
    folders = [f"{entry.folder}/src" for entry in services(root / "services.toml").values()]
    sources = [str(root / folder) for folder in (*folders, "shared/src", "deploy/stack/src")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    command = [sys.executable, "-m", "stack.settings_page"]
    subprocess.run(command, cwd=root, env=environment, check=True)  # noqa: S603 - our own
