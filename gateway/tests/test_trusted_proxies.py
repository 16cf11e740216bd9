"""The client's address and scheme come from trusted proxies, and from nobody else."""

from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from gateway.settings import GatewaySettings
from gateway.trusted_proxies import TrustedProxies
from shared.testing import LiveApp

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def client(*values: str) -> str:
    return PROXIES.client("10.0.0.1", [(b"x-forwarded-for", value.encode()) for value in values])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "10.0.0.1"),
        (["203.0.113.7"], "203.0.113.7"),
        (["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
        (["1.2.3.4", "203.0.113.7, 10.9.9.9"], "203.0.113.7"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (["2001:db8::1, fd00::2"], "2001:db8::1"),
        (["203.0.113.7, unknown"], "10.0.0.1"),
        (["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
        ([""], "10.0.0.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxys(values: list[str], expected: str) -> None:
    assert client(*values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "http"),
        (["https"], "https"),
        (["http", "https"], "https"),
        (["ftp"], "http"),
        (["https, x"], "http"),
    ],
)
def test_the_scheme_is_what_the_last_proxy_said(values: list[str], expected: str) -> None:
    assert PROXIES.scheme("http", [(b"x-forwarded-proto", value.encode()) for value in values]) == expected


def test_nobody_is_trusted_by_default() -> None:
    assert not TrustedProxies([]).trusts("127.0.0.1")
    assert not PROXIES.trusts("192.0.2.1")
    assert PROXIES.trusts("10.200.0.1")


FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}


async def test_a_trusted_proxy_is_believed(make_door, items) -> None:
    door: LiveApp = await make_door(trusted_proxies="127.0.0.0/8, 10.0.0.1")
    for address in ("203.0.113.7", "203.0.113.8"):  # on one connection, as proxies do
        await door.client.get("/items", headers={**FORWARDED, "X-Forwarded-For": address})
        assert items.last.values(b"x-forwarded-for") == [address.encode()]
        assert items.last.values(b"x-forwarded-proto") == [b"https"]
    await door.client.get("/items")
    assert items.last.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert items.last.values(b"x-forwarded-proto") == [b"http"]


async def test_others_are_not(make_door, items) -> None:
    door: LiveApp = await make_door(trusted_proxies="10.0.0.0/8")
    await door.client.get("/items", headers=FORWARDED)
    assert items.last.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert items.last.values(b"x-forwarded-proto") == [b"http"]


def test_what_is_no_network_is_refused(given) -> None:
    with pytest.raises(ValidationError, match="trusted_proxies"):
        GatewaySettings(**{**given, "trusted_proxies": "the load balancer"})
