"""The house's rules: what lives where, who may know whom, and how large a room may grow."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack.catalogue import services

ROOT = Path(__file__).parent.parent
APPLICATIONS = {
    service.package: ROOT / service.folder / "src" / service.package for service in services().values()
}
GATEWAY = APPLICATIONS["gateway"]
SERVICES = {name: folder for name, folder in APPLICATIONS.items() if name != "gateway"}
SHARED = ROOT / "shared/src/shared"
LOADTESTS = ROOT / "loadtests/src/loadtests"
STACK = ROOT / "deploy/stack/src/stack"
TRAINING = ROOT / "services/ml-predict/src/ml_training"
PACKAGES = {
    **APPLICATIONS,
    "shared": SHARED,
    "loadtests": LOADTESTS,
    "stack": STACK,
    "ml_training": TRAINING,
    "oip_check": ROOT / "services/ml-predict/src/oip_check",
}

ROOMS = ("main", "settings", "dependencies", "routes", "schemas", "service", "exceptions", "__main__")
GATEWAY_ROOMS = ("main", "settings", "dependencies", "routes", "exceptions", "__main__")
LONGEST_MAIN = 40
LONGEST_ROUTE_BODY = 5
MOST_TARGETS = 30


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


ALL_MODULES = [path for folder in PACKAGES.values() for path in modules(folder)]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported(path: Path) -> Iterator[str]:
    """Full names of what a module imports, wherever in it the import stands."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def top_level(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_top_level_is_the_house() -> None:
    folders = {"gateway", "services", "shared", "loadtests", "deploy", "tests", "docs"}
    files = {
        "README.md",
        "Makefile",
        "services.toml",
        "docker-compose.yml",
        "pyproject.toml",
        "requirements.lock",
        "LICENSE",
    }
    assert folders <= {path.name for path in ROOT.iterdir() if path.is_dir()}
    assert files <= {path.name for path in ROOT.iterdir() if path.is_file()}


@pytest.mark.parametrize(("name", "room"), [(name, room) for name in SERVICES for room in ROOMS])
def test_every_service_has_the_same_rooms(name: str, room: str) -> None:
    assert (SERVICES[name] / f"{room}.py").is_file()


@pytest.mark.parametrize("room", GATEWAY_ROOMS)
def test_the_gateway_has_the_rooms_that_it_has_a_use_for(room: str) -> None:
    assert (GATEWAY / f"{room}.py").is_file()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_main_is_a_table_of_contents(name: str) -> None:
    main = APPLICATIONS[name] / "main.py"
    assert len(main.read_text().splitlines()) <= LONGEST_MAIN
    assert any(isinstance(node, ast.FunctionDef) and node.name == "create_app" for node in tree(main).body)


@pytest.mark.parametrize("name", SERVICES)
def test_services_know_neither_each_other_nor_the_gateway(name: str) -> None:
    others = set(PACKAGES) - {name, "shared"}
    offenders = {named(path): top_level(path) & others for path in modules(SERVICES[name])}
    assert {path: names for path, names in offenders.items() if names} == {}


def test_the_gateway_knows_no_service() -> None:
    others = set(SERVICES) | {"loadtests", "stack"}
    assert {named(path) for path in modules(GATEWAY) if top_level(path) & others} == set()


def test_shared_knows_nobody() -> None:
    others = set(PACKAGES) - {"shared"}
    assert {named(path) for path in modules(SHARED) if top_level(path) & others} == set()


def test_shared_knows_no_domain_noun() -> None:
    noun = re.compile(
        r"\b(diamond|gemstone|gem|listing|appraisal|seller|carat)s?\b|(Item|User|Diamond)[A-Z]\w*",
        re.IGNORECASE,
    )
    domain_class = re.compile(r"\bclass (Item|User|Listing|Diamond)\w*")
    found = {
        named(path)
        for path in modules(SHARED)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (noun.search(node.name.replace("_", " ")) or domain_class.search(f"class {node.name}"))
    }
    assert found == set()


@pytest.mark.parametrize("name", SERVICES)
def test_the_rules_know_neither_the_web_nor_the_database(name: str) -> None:
    assert top_level(SERVICES[name] / "service.py") & {"fastapi", "starlette", "sqlalchemy"} == set()


def routes(path: Path) -> list[ast.AsyncFunctionDef | ast.FunctionDef]:
    """Functions that a router's decorator makes an endpoint."""
    return [
        node
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and any(isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) for d in node.decorator_list)
    ]


@pytest.mark.parametrize("name", APPLICATIONS)
def test_a_route_says_one_thing(name: str) -> None:
    path = APPLICATIONS[name] / "routes.py"
    found = routes(path)
    assert found, f"no routes in {named(path)}"
    for route in found:
        body = [node for node in route.body if not _is_docstring(node)]
        lines = body[-1].end_lineno - body[0].lineno + 1  # type: ignore[operator]  # parsed code has line numbers
        assert lines <= LONGEST_ROUTE_BODY, f"{named(path)}: {route.name} has {lines} lines"
        assert route.returns is not None, f"{named(path)}: {route.name} has no return type"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.mark.parametrize("name", APPLICATIONS)
def test_routes_raise_no_http_exception_and_speak_no_sql(name: str) -> None:
    path = APPLICATIONS[name] / "routes.py"
    assert "HTTPException" not in path.read_text()
    assert "sqlalchemy" not in top_level(path)


def test_no_module_is_a_drawer() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert {named(path) for path in ALL_MODULES if path.stem in drawers} == set()


def test_every_module_opens_with_its_job() -> None:
    silent = {
        named(path)
        for path in ALL_MODULES
        if path.read_text().strip() and "/versions/" not in str(path) and not ast.get_docstring(tree(path))
    }
    assert silent == set()


def test_nothing_happens_when_a_service_is_imported() -> None:
    """Settings are passed: no module of a service makes some, or an application, at import."""
    makers = {"load_settings", "create_app", "FastAPI", "build_app"}
    offenders = {
        named(path)
        for name, folder in APPLICATIONS.items()
        for path in modules(folder)
        if path.stem != "__main__"
        for node in tree(path).body
        for call in ast.walk(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and isinstance(call, ast.Call)
        and getattr(call.func, "id", None) in makers
    }
    assert offenders == set()


def test_every_exemption_from_a_check_has_its_reason() -> None:
    bare = re.compile(r"#\s*noqa(:\s*[A-Z0-9, ]+)?\s*$|#\s*type:\s*ignore(\[[a-z-, ]+\])?\s*$")
    offenders = [
        f"{named(path)}:{number}"
        for path in ALL_MODULES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert offenders == []


def test_the_front_door_stays_small() -> None:
    targets = re.findall(r"^[a-z0-9-]+:(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert 0 < len(targets) <= MOST_TARGETS


def test_continuous_integration_calls_what_people_call() -> None:
    for file in (".ci/run", ".github/workflows/ci.yml"):
        text = (ROOT / file).read_text()
        assert all(f"make {target}" in text for target in ("check", "test", "e2e")), file


def test_only_the_gateway_publishes_a_port_by_default() -> None:
    lines = (ROOT / "docker-compose.yml").read_text().splitlines()
    name, publishing = "", set()
    optional = set()
    for line in lines[lines.index("services:") + 1 :]:
        if re.match(r"  [a-z-]+:", line):
            name = line.split(":")[0].strip()
        if line.startswith("    ports:"):
            publishing.add(name)
        if line.startswith("    profiles:"):
            optional.add(name)
    assert publishing - optional == {"gateway"}


def test_no_file_records_download_addresses() -> None:
    locks = [*ROOT.glob("**/requirements.lock"), *ROOT.glob("*/*.lock")]
    assert locks
    for lock in locks:
        assert "://" not in lock.read_text(), named(lock)


def test_worker_counts_live_in_one_file() -> None:
    counts = dict(line.split("=") for line in _settings_lines(ROOT / "deploy/workers.env"))
    assert set(counts) == {f"{service.variable}_WORKERS" for service in services().values()}
    assert all(int(count) >= 1 for count in counts.values())


def _settings_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


GUIDES = [
    *(
        ROOT / name
        for name in ("README.md", "SECURITY.md", "loadtests/README.md", "deploy/cluster/README.md")
    ),
    *sorted((ROOT / "docs").rglob("*.md")),
]
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


@pytest.mark.parametrize("page", GUIDES, ids=named)
def test_every_link_in_the_documents_leads_somewhere(page: Path) -> None:
    targets = [match[1] for match in LINK.finditer(page.read_text())]
    assert [target for target in targets if not (page.parent / target).exists()] == []
