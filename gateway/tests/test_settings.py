"""The gateway's settings, and what stops a start."""

import pytest

from gateway.settings import GatewaySettings
from shared.settings import load_settings

NEEDED = {
    "GATEWAY_REDIS_URL": "redis://localhost:6379/0",
    "GATEWAY_REDIS_PASSWORD": "secret",
    "GATEWAY_INTERNAL_SECRET": "known-to-users-and-gateway",
    "GATEWAY_JWKS_URL": "http://users:8001/.well-known/jwks.json",
}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch):
    def start(**changed: str) -> GatewaySettings:
        for name, value in {**NEEDED, **changed}.items():
            monkeypatch.setenv(name, value)
        return load_settings(GatewaySettings)

    return start


def test_without_more_than_it_needs_it_has_the_shipped_routes(start) -> None:
    settings = start()
    assert settings.port == 8000
    assert settings.routes.match("GET", "/items") is not None
    assert set(settings.upstreams) >= {"users", "items", "ml-predict"}


LOCAL = {
    *("http://localhost:3000", "http://localhost:5173", "http://localhost:8080"),
    *("http://127.0.0.1:3000", "http://127.0.0.1:5173", "http://127.0.0.1:8080"),
}


def test_local_front_ends_are_allowed_in_development_only(start) -> None:
    assert set(start().allowed_origins) == LOCAL
    assert set(start(GATEWAY_CORS_ORIGINS="").allowed_origins) == LOCAL
    assert start(GATEWAY_ENVIRONMENT="production").allowed_origins == ()


def test_origins_that_are_given_are_the_only_ones(start) -> None:
    assert start(GATEWAY_CORS_ORIGINS="https://shop.example").allowed_origins == ("https://shop.example",)
    assert start(GATEWAY_CORS_ORIGINS="none").allowed_origins == ()


def test_origins_are_separated_by_commas(start) -> None:
    settings = start(GATEWAY_CORS_ORIGINS="https://shop.example, http://localhost:3000,http://[::1]:80,")
    assert settings.cors_origins == ("https://shop.example", "http://localhost:3000", "http://[::1]:80")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.shop.example",
        "https://shop.example/",
        "https://shop.example/a",
        "https://Shop.example",
        "shop.example",
        "https://",
        "https://a@shop.example",
        "https://shop.example?",
        "null",
        "ftp://shop.example",
    ],
)
def test_an_origin_that_is_not_exact_stops_the_start(start, origin: str) -> None:
    with pytest.raises(SystemExit, match=r"GATEWAY_CORS_ORIGINS: .*must be exact") as refused:
        start(GATEWAY_CORS_ORIGINS=f"https://fine.example,{origin}")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://items:8002",
        "http://items:8002,items:8003",
        ",",
        "items:8002",
        "http://",
        "http://:80",
        "http://items:8002/v1",
        "http://items:8002?a=b",
        "http://items:8002/#a",
        "http://me:secret@items:8002",
        "http://items:99999",
        "http://items:0",
        "http://items:port",
        "http://it ems",
    ],
)
def test_an_upstream_that_is_more_or_less_than_an_origin_stops_the_start(start, url: str) -> None:
    with pytest.raises(SystemExit, match="GATEWAY_ITEMS_URL: ") as refused:
        start(GATEWAY_ITEMS_URL=url)
    assert "secret" not in str(refused.value)


def test_a_slash_after_an_upstream_means_nothing(start) -> None:
    assert start(GATEWAY_ITEMS_URL="http://items:8002/").upstreams["items"] == "http://items:8002"


def test_a_wrong_table_stops_the_start_with_one_line(start, tmp_path) -> None:
    table = tmp_path / "routes.toml"
    table.write_text('[[route]]\nprefix = "/a"\n')
    with pytest.raises(SystemExit) as refused:
        start(GATEWAY_ROUTES_FILE=str(table))
    line = str(refused.value)
    assert f"{table}: route 1 (/a): methods: Field required" in line
    assert "\n" not in line
