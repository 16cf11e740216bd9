"""The peers' environments: pinned by a lock each, made when missing or when the lock changed."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from loadtests.bench.exceptions import BenchFailed

ROOT = Path(__file__).resolve().parents[4]
OURS = ROOT / ".venv/bin/python"
LOCKS = ROOT / "loadtests"
FOLDER = ROOT / ".facet"
COMPILED = FOLDER / "compiled"  # written by deploy/compile.py


def our_python() -> Path:
    """The interpreter that our services are installed for. Raises BenchFailed when there is none."""
    if not OURS.exists():
        raise BenchFailed("our services are not installed: run `make install` first")
    return OURS


def peers_python() -> Path:
    """The interpreter with what `peers.lock` pins, of the same Python as ours."""
    return _installed("peers") / "python"


def data_python() -> Path:
    """The interpreter with what `data.lock` pins."""
    return _installed("data") / "python"


def model_server(name: str) -> Path:
    """The folder of programs of the model server that `ml-<name>.lock` pins."""
    return _installed(f"ml-{name}")


def traefik() -> Path:
    """The program that `traefik.lock` pins."""
    return _installed("traefik") / "traefik"


def caddy() -> Path:
    """The program that `caddy.lock` pins."""
    return _installed("caddy") / "caddy"


def fastify() -> Path:
    """The folder with the gateway in Node and what its package-lock.json pins."""
    source, folder = LOCKS / "src/loadtests/bench/peers/fastify", FOLDER / "fastify"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise BenchFailed("fastify needs node and npm (Debian: apt install nodejs npm)")
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "lock.sha256"
    shutil.copytree(source, folder, dirs_exist_ok=True)
    if not stamp.exists() or stamp.read_text() != digest:
        _run([npm, "ci", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"])
        stamp.write_text(digest)
    return folder


def _installed(name: str) -> Path:
    """The folder of programs of the environment that `<name>.lock` pins."""
    lock, folder = LOCKS / f"{name}.lock", FOLDER / name
    programs, stamp = folder / "bin", folder / "lock.sha256"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        uv = _uv()
        _run([uv, "venv", "--quiet", "--clear", "--python", str(our_python()), str(folder)])
        _run(
            [
                uv,
                "pip",
                "sync",
                "--quiet",
                "--require-hashes",
                "--python",
                str(programs / "python"),
                str(lock),
            ]
        )
        stamp.write_text(digest)
    return programs


def software() -> dict[str, dict[str, str]]:
    """Versions that make a figure what it is."""
    ours = ("fastapi", "uvicorn", "gunicorn", "httptools", "uvloop", "pyjwt")
    peers = ("fastapi", "uvicorn", "httptools", "uvloop", "pyjwt", "httpx", "httpx2")
    return {"ours": versions(our_python(), *ours), "peers": versions(peers_python(), *peers)}


def versions(python: Path, *distributions: str) -> dict[str, str]:
    """Installed versions of `distributions`, and of Python itself."""
    code = (
        "import importlib.metadata as m, json, platform, sys\n"
        "found = {'python': platform.python_version()}\n"
        "found.update((name, m.version(name)) for name in sys.argv[1:])\n"
        "print(json.dumps(found))"
    )
    done = _run([str(python), "-c", code, *distributions])
    found: dict[str, str] = json.loads(done)
    return found


def _uv() -> str:
    own = ROOT / ".uv/bin/uv"
    found = str(own) if own.exists() else shutil.which("uv")
    if found is None:
        raise BenchFailed("the peers are installed with uv, which is not here: run `make install` first")
    return found


def _run(command: list[str]) -> str:
    done = subprocess.run(  # noqa: S603 - the commands are the bench's own
        command, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise BenchFailed(f"{Path(command[0]).name} {command[1]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
