"""Each path has one normal form, and no other one comes through."""

import pytest

from gateway.exceptions import PathAmbiguous
from gateway.paths import LONGEST, check_path
from shared.testing import LiveApp

NORMAL = [
    "/",
    "/items",
    "/items/5",
    "/.well-known/jwks.json",
    "/items/a.b..c",
    "/items/...",
    "/items/-._~!$&'()*+,=:@",
    "/items/%20",
    "/items/%C3%A9",
    "/items/%F0%9F%92%8E",
    "/items/%3F%23%5B%22",
]
AMBIGUOUS = [
    "/items/",
    "//items",
    "/items//5",
    "/items/5//",
    "//",
    "/./items",
    "/items/.",
    "/items/./5",
    "/../items",
    "/items/..",
    "/items/../users",
    "/read/../office",
    "/items/%2e",
    "/items/%2E",
    "/items/%2e%2e/users",
    "/items/%2E%2E/users",
    "/items/.%2e/users",
    "/items%2Fsmall",
    "/items%2fsmall",
    "/read%2f..%2foffice",
    "/mine/me%2f..%2f5",
    "/mine/me%2F..%2F5",
    "/items%5Csmall",
    "/items%5csmall",
    "/items\\small",
    "/items/%00",
    "/items/%00.json",
    "/items/%0A",
    "/items/%0D%0AHost:x",
    "/items/%1F",
    "/items/%7F",
    "/items/%41",
    "/items/%7E",
    "/%69tems",
    "/items/%c3%a9",
    "/items/%25",
    "/items/%252e%252e",
    "/items/%252Fsmall",
    "/items/%3B",
    "/items;a=b",
    "/items/;/small",
    "/items/..;/office",
    "/items/%",
    "/items/%2",
    "/items/%zz",
    "/items/%u002e",
    "/items/%FF",
    "/items/%C3",
    "/items/%C0%AF",
    "/items/%E0%80%AF",
    "/items/%ED%A0%80",
    "/items/{id}",
    "/items/<b>",
    "/items/a|b",
    '/items/"',
    "/items/^",
    "/items/[1]",
]


@pytest.mark.parametrize("path", NORMAL)
def test_a_normal_path_passes(path: str) -> None:
    check_path(path.encode())


@pytest.mark.parametrize("path", ["", "items", "*", *AMBIGUOUS])
def test_a_path_with_more_than_one_reading_does_not(path: str) -> None:
    with pytest.raises(PathAmbiguous):
        check_path(path.encode())


@pytest.mark.parametrize("byte", [*range(0x21), 0x7F, 0x80, 0xFF])
def test_bytes_that_no_path_may_hold_are_refused(byte: int) -> None:
    with pytest.raises(PathAmbiguous):
        check_path(b"/items/" + bytes([byte]))


def test_the_longest_path_passes_and_one_byte_more_does_not() -> None:
    check_path(b"/" + b"a" * (LONGEST - 1))
    with pytest.raises(PathAmbiguous, match="2048"):
        check_path(b"/" + b"a" * LONGEST)


@pytest.mark.parametrize("path", NORMAL[1:])
async def test_a_normal_path_reaches_the_upstream_as_it_was_written(door: LiveApp, items, dial, path) -> None:
    wire = await dial(door.port)
    target = f"/items{path}".encode()
    await wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert (await wire.answer())[0] == 200
    assert items.last.target == target


@pytest.mark.parametrize("path", [*AMBIGUOUS, "/items/" + "a" * LONGEST])
async def test_an_ambiguous_path_is_a_problem_and_reaches_nobody(
    door: LiveApp, items, users, dial, path
) -> None:
    wire = await dial(door.port)
    await wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode())
    status, head, body = await wire.answer()
    assert status == 400
    assert b"content-type: application/problem+json" in head
    assert b'"code":"path_ambiguous"' in body
    assert items.requests == users.requests == []


@pytest.mark.parametrize(
    "target",
    [
        b"/items/\x01",
        b"/items/\x7f",
        b"/items/\xe9",
        b"/items/\xc3\xa9",
        b"/items?\x01",
        b"/items\t",
        b"/it\x00ems",
    ],
)
async def test_raw_control_bytes_and_raw_utf8_are_no_http(door: LiveApp, items, dial, target: bytes) -> None:
    wire = await dial(door.port)
    await wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert (await wire.answer())[0] == 400
    assert items.requests == []


@pytest.mark.parametrize("target", [b"http://elsewhere/items/5?a=b", b"http://a:b@elsewhere:1/items/5?a=b"])
async def test_an_absolute_target_counts_by_its_path_alone(door: LiveApp, items, dial, target) -> None:
    """RFC 9112, section 3.2.2: a server accepts it. Where it goes is the table's to say."""
    wire = await dial(door.port)
    await wire.send(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
    assert (await wire.answer())[0] == 200
    assert items.last.line == b"GET /items/5?a=b HTTP/1.1"
    assert items.last.values(b"host") == [items.url.removeprefix("http://").encode()]


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://elsewhere HTTP/1.1",
        b"GET http://elsewhere//items HTTP/1.1",
        b"GET http://elsewhere/items/../mine HTTP/1.1",
        b"GET //elsewhere/items HTTP/1.1",
        b"OPTIONS * HTTP/1.1",
        b"CONNECT elsewhere:80 HTTP/1.1",
        b"GET items HTTP/1.1",
    ],
)
async def test_other_forms_of_a_target_are_refused(door: LiveApp, items, dial, line: bytes) -> None:
    wire = await dial(door.port)
    await wire.send(line + b"\r\nHost: x\r\n\r\n")
    status, head, _ = await wire.answer()
    assert status == 400
    assert b"application/problem+json" in head
    assert items.requests == []


@pytest.mark.parametrize(
    "query", [b"a=../..", b"a=%2e%2F&b=//;\\", b"?", b"next=http://x/", b"%zz%00&=", b"'\"<>{}|^`"]
)
async def test_the_query_is_nobodys_business(door: LiveApp, items, dial, query: bytes) -> None:
    wire = await dial(door.port)
    await wire.send(b"GET /items?%b HTTP/1.1\r\nHost: x\r\n\r\n" % query)
    assert (await wire.answer())[0] == 200
    assert items.last.target == b"/items?" + query


async def test_an_ambiguous_path_to_the_gateways_own_pages_is_refused_too(door: LiveApp) -> None:
    assert (await door.client.get("/health/")).json()["code"] == "path_ambiguous"
