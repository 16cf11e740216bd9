"""The route table: how it is matched, and how a wrong one is refused."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.route_table import RouteTable, load_routes
from gateway.settings import DEFAULT_ROUTES

UPSTREAMS = {"users", "items", "ml-predict"}
ROW = '[[route]]\nprefix = "/a"\nmethods = ["GET"]\nupstream = "items"\nauth = "public"\n'
WHOLE = ROW + "timeout = 1.0\nbody_limit = 10\n"
GEMS = '[[upstream]]\nname = "gems"\nreplicas = ["{}"]\n'
EXACT = WHOLE.replace('prefix = "/a"', 'path = "/a/{a_id}"')


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str | bytes) -> Path:
        file = tmp_path / "table.toml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


def table(*rows: tuple[str, list[str]], **same) -> RouteTable:
    fixed = {"upstream": "items", "auth": "public", "timeout": 1, "body_limit": 1, **same}
    return RouteTable.model_validate(
        {"routes": [{"prefix": prefix, "methods": methods, **fixed} for prefix, methods in rows]}
    )


def prefix_of(routes: RouteTable, method: str, path: str) -> str | None:
    route = routes.match(method, path)
    return None if route is None else route.template


@pytest.mark.parametrize(
    ("path", "prefix"),
    [
        ("/a", "/a"),
        ("/a/x", "/a"),
        ("/a/b", "/a/b"),
        ("/a/b/c/d", "/a/b"),
        ("/a/bc", "/a"),
        ("/ab", None),
        ("/", None),
        ("/A", None),
        ("/x/a", None),
    ],
)
def test_the_longest_prefix_of_whole_segments_wins(path: str, prefix: str | None) -> None:
    for rows in (("/a", "/a/b"), ("/a/b", "/a")):
        assert prefix_of(table(*((row, ["GET"]) for row in rows)), "GET", path) == prefix


def test_a_longer_prefix_without_the_method_leaves_it_to_the_shorter() -> None:
    routes = table(("/a", ["GET"]), ("/a/b", ["POST"]))
    assert prefix_of(routes, "GET", "/a/b") == "/a"
    assert prefix_of(routes, "POST", "/a/b") == "/a/b"
    assert prefix_of(routes, "POST", "/a") is None


def exact(*rows: tuple[str, str]) -> RouteTable:
    fixed = {"upstream": "items", "auth": "public", "timeout": 1, "body_limit": 1}
    return RouteTable.model_validate(
        {"routes": [{"path": path, "methods": methods.split(), **fixed} for path, methods in rows]}
    )


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/a", "/a"),
        ("/a/5", "/a/{a_id}"),
        ("/a/me", "/a/me"),
        ("/a/me/b", "/a/me/b"),
        ("/a/5/b", "/a/{a_id}/b"),
        ("/a/5/c", None),
        ("/a/5/b/c", None),
        ("/a/", None),
        ("/a//b", None),
        ("/b", None),
    ],
)
def test_a_path_is_exact_and_a_literal_segment_wins(path: str, template: str | None) -> None:
    declared = ["/a", "/a/{a_id}", "/a/me", "/a/{a_id}/b", "/a/me/b"]
    for rows in (declared, declared[::-1]):
        assert prefix_of(exact(*((row, "GET") for row in rows)), "GET", path) == template


def test_a_path_that_opens_one_method_opens_nothing_below_it() -> None:
    routes = exact(("/users", "POST"), ("/users/{user_id}", "GET"))
    assert routes.match("POST", "/users/5") is None
    assert routes.allowed("/users/5") == ["GET", "HEAD"]
    assert routes.match("POST", "/users/5/anything") is None
    assert routes.allowed("/users/5/anything") == []


def test_a_dot_in_a_path_is_a_dot() -> None:
    assert exact(("/jwks.json", "GET")).match("GET", "/jwksxjson") is None


def test_a_path_wins_over_a_prefix() -> None:
    fixed = {"methods": ["GET"], "upstream": "items", "auth": "public", "timeout": 1, "body_limit": 1}
    rows = [{"prefix": "/a", **fixed}, {"path": "/a/b", **fixed}, {"path": "/a/{x}/c", **fixed}]
    routes = RouteTable.model_validate({"routes": rows})
    paths = ("/a", "/a/b", "/a/b/c", "/a/d", "/a/b/c/d")
    assert [prefix_of(routes, "GET", path) for path in paths] == ["/a", "/a/b", "/a/{x}/c", "/a", "/a"]


def test_get_covers_head_and_nothing_else_does() -> None:
    routes = table(("/a", ["GET"]), ("/b", ["POST"]))
    assert prefix_of(routes, "HEAD", "/a") == "/a"
    assert prefix_of(routes, "HEAD", "/b") is None


def test_allowed_methods_are_those_of_all_routes_of_the_path() -> None:
    routes = table(("/a", ["GET"]), ("/a/b", ["POST"]))
    assert routes.allowed("/a/b/c") == ["GET", "HEAD", "POST"]
    assert routes.allowed("/a") == ["GET", "HEAD"]
    assert routes.allowed("/c") == []


def test_defaults_fill_what_a_row_leaves_out_and_no_more(write) -> None:
    defaults = "[defaults]\ntimeout = 3.5\nbody_limit = 7\n"
    short = '[[route]]\nprefix = "/b"\nmethods = ["POST"]\nupstream = "users"\nauth = "required"\n'
    own, inherited = load_routes(write(defaults + WHOLE + short), UPSTREAMS).routes
    assert (own.auth, own.timeout, own.body_limit) == ("public", 1.0, 10)
    assert (inherited.auth, inherited.timeout, inherited.body_limit) == ("required", 3.5, 7)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE + "color = 1", "route 1 (/a): color: Extra inputs"),
        (WHOLE + ROW.replace("/a", "/b"), "route 2 (/b): timeout: Field required"),
        (WHOLE.replace('"items"', '"gems"'), "route 1 (/a): unknown upstream gems"),
        (WHOLE.replace('"public"', '"admin"'), "route 1 (/a): auth: Input should be 'public'"),
        (WHOLE.replace('"GET"', '"TRACE"'), "route 1 (/a): methods.0: Input should be 'GET'"),
        (WHOLE.replace('"GET"', ""), "route 1 (/a): methods: List should have at least 1 item"),
        (WHOLE.replace('["GET"]', '["GET", "GET"]'), "GET /a is declared twice"),
        (WHOLE + WHOLE, "GET /a is declared twice"),
        (WHOLE.replace("1.0", "-1"), "route 1 (/a): timeout: Input should be greater than 0"),
        (WHOLE.replace("1.0", "nan"), "route 1 (/a): timeout: Input should be"),
        (WHOLE.replace("1.0", "inf"), "route 1 (/a): timeout: Input should be less than"),
        (WHOLE.replace("1.0", "301"), "route 1 (/a): timeout: Input should be less than"),
        (WHOLE.replace("= 10", "= -1"), "route 1 (/a): body_limit: Input should be greater"),
        (WHOLE.replace('"/a"', '"a"'), "route 1 (a): prefix: String should match"),
        (WHOLE.replace('"/a"', '"/"'), "route 1 (/): prefix: String should match"),
        (WHOLE.replace('"/a"', '"/a/"'), "route 1 (/a/): prefix: String should match"),
        (WHOLE.replace('"/a"', '"/a//b"'), "route 1 (/a//b): prefix: String should match"),
        (WHOLE.replace('"/a"', '"/a%20"'), "route 1 (/a%20): prefix: String should match"),
        (WHOLE.replace('prefix = "/a"\n', ""), "route 1 (without a path): give either a path or a prefix"),
        (WHOLE + 'path = "/a"\n', "route 1 (/a): give either a path or a prefix"),
        (EXACT.replace("{a_id}", "{}"), "route 1 (/a/{}): path: String should match"),
        (EXACT.replace("{a_id}", "x{a_id}"), "route 1 (/a/x{a_id}): path: String should match"),
        (EXACT.replace("/a/{a_id}", "/a/*"), "route 1 (/a/*): path: String should match"),
        (EXACT + EXACT.replace("a_id", "b_id"), "GET /a/{b_id} is declared twice"),
        (WHOLE.replace('auth = "public"\n', ""), "route 1 (/a): auth: Field required"),
        ('[defaults]\nauth = "required"\n' + WHOLE, "every route states its own auth"),
        ("", "no routes"),
        ("[defaults]\ntimeout = 1.0", "no routes"),
        ("route = [1]", "only [defaults], [[upstream]] and [[route]] are known"),
        ("route = 1", "only [defaults], [[upstream]] and [[route]] are known"),
        ("defaults = 1\n" + WHOLE, "only [defaults], [[upstream]] and [[route]] are known"),
        (WHOLE + "[[routes]]\nprefix = '/b'", "only [defaults], [[upstream]] and [[route]] are known"),
        (WHOLE + "[[route", "(at end of document)"),
        ("a = " + "[" * 5000 + "]" * 5000, "recursion depth"),
        (WHOLE + GEMS.format("http://é.example"), "upstream 1: replicas.0: an upstream is http://host:port"),
        (WHOLE + GEMS.format("http://[gems]"), "upstream 1: replicas.0"),
        (b"# \xff\n" + WHOLE.encode(), "can't decode byte 0xff"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file_and_the_row(write, text, said: str) -> None:
    file = write(text)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        load_routes(file, UPSTREAMS)
    line = str(refused.value)
    assert line.startswith(f"{file}: ")
    assert "\n" not in line
    assert not isinstance(refused.value, ValidationError)


@pytest.mark.parametrize("name", ["missing.toml", ""])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"No such file|Is a directory") as refused:
        load_routes(tmp_path / name, UPSTREAMS)
    assert str(refused.value).startswith(f"{tmp_path / name}: ")


PUBLIC_PATHS = [
    ("POST", "/users", "users", "public"),
    ("POST", "/auth/token", "users", "public"),
    ("POST", "/auth/refresh", "users", "public"),
    ("POST", "/auth/logout", "users", "required"),
    ("GET", "/users/me", "users", "required"),
    ("PATCH", "/users/me", "users", "required"),
    ("DELETE", "/users/me", "users", "required"),
    ("GET", "/users", "users", "role:admin"),
    ("GET", "/users/7", "users", "role:admin"),
    ("PATCH", "/users/7", "users", "role:admin"),
    ("DELETE", "/users/7", "users", "role:admin"),
    ("GET", "/users/me/api-keys", "users", "required"),
    ("POST", "/users/me/api-keys", "users", "required"),
    ("DELETE", "/users/me/api-keys/3", "users", "required"),
    ("GET", "/.well-known/jwks.json", "users", "public"),
    ("GET", "/items", "items", "public"),
    ("POST", "/items", "items", "required"),
    ("GET", "/items/5", "items", "public"),
    ("PATCH", "/items/5", "items", "required"),
    ("DELETE", "/items/5", "items", "required"),
    ("POST", "/items/5/appraisal", "items", "required"),
    ("POST", "/appraisals", "items", "required"),
    ("POST", "/items/imports/a-file-of-mine", "items", "required"),
    ("GET", "/items/imports/a-file-of-mine", "items", "required"),
    ("GET", "/items/imports/a-file-of-mine/errors", "items", "required"),
    ("GET", "/items/exports/mine", "items", "required"),
    ("POST", "/predict", "ml-predict", "required"),
    ("POST", "/predict/diamond-price", "ml-predict", "required"),
    ("GET", "/v2", "ml-predict", "required"),
    ("GET", "/v2/health/live", "ml-predict", "public"),
    ("GET", "/v2/models/digits", "ml-predict", "required"),
    ("POST", "/v2/models/digits/infer", "ml-predict", "required"),
    ("POST", "/v2/models/digits/versions/1/infer", "ml-predict", "required"),
    ("POST", "/v2/repository/index", "ml-predict", "required"),
]


@pytest.mark.parametrize(("method", "path", "upstream", "auth"), PUBLIC_PATHS)
def test_the_shipped_table_serves_each_public_path(method: str, path: str, upstream: str, auth: str) -> None:
    route = load_routes(DEFAULT_ROUTES, UPSTREAMS).match(method, path)
    assert route is not None
    assert (route.upstream, route.auth) == (upstream, auth)


@pytest.mark.parametrize(
    "path", ["/internal/api-keys/exchange", "/metrics", "/openapi.json", "/health", "/ready", "/docs"]
)
def test_the_shipped_table_lets_nothing_private_through(path: str) -> None:
    assert load_routes(DEFAULT_ROUTES, UPSTREAMS).allowed(path) == []


def test_the_shipped_table_has_no_prefixes() -> None:
    assert not [route for route in load_routes(DEFAULT_ROUTES, UPSTREAMS).routes if route.prefix]


def test_the_shipped_table_has_no_open_door_but_the_named_ones() -> None:
    routes = load_routes(DEFAULT_ROUTES, UPSTREAMS).routes
    open_doors = {
        (method, route.path) for route in routes if route.auth == "public" for method in route.methods
    }
    assert open_doors == {
        ("POST", "/users"),
        ("POST", "/auth/token"),
        ("POST", "/auth/refresh"),
        ("POST", "/auth/password/forgotten"),
        ("POST", "/auth/password/reset"),
        ("POST", "/auth/email/verification"),
        ("POST", "/auth/email/confirm"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/items"),
        ("GET", "/items/{item_id}"),
        ("GET", "/v2/health/live"),
        ("GET", "/v2/health/ready"),
    }
    assert not [route for route in routes if route.auth == "optional"]
