"""Route tables for our gateway that have what a section needs."""

from pathlib import Path

from loadtests.bench import nginx
from loadtests.bench.contract import PATH

STREAM = "/stream"
_DEFAULTS = "[defaults]\ntimeout = 300.0\nbody_limit = 2_147_483_648\n"


def bodies(folder: Path) -> Path:
    """Answers of any size from `items`; a stream up goes to `users`."""
    routes = [
        _route(f'path = "{PATH}"', "GET", "users"),
        _route(f'prefix = "{nginx.FILES}"', "GET", "items"),
        _route('path = "/posted"', "POST", "items"),
        _route(f'path = "{STREAM}"', "POST", "ml-predict"),
    ]
    return _write(folder / "bodies.toml", routes)


def many(folder: Path, count: int) -> Path:
    """As many routes, a third of them with a parameter; the one that is asked for stands in the middle."""
    others = [
        _route(f'path = "/things-{number}{"/{id}" if number % 3 == 0 else ""}"', "GET", "items")
        for number in range(count - 1)
    ]
    others.insert(len(others) // 2, _route(f'path = "{PATH}"', "GET", "users"))
    return _write(folder / f"{count}-routes.toml", others)


def _route(path: str, method: str, upstream: str) -> str:
    return f'[[route]]\n{path}\nmethods = ["{method}"]\nupstream = "{upstream}"\nauth = "required"\n'


def _write(path: Path, routes: list[str]) -> Path:
    path.write_text("\n".join([_DEFAULTS, *routes]))
    return path
