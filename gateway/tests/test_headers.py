"""Which header fields cross the gateway, in both directions."""

import pytest

from gateway.headers import PASSES_IN, PASSES_OUT
from shared.testing import LiveApp, TestIdentity

SPOOFED = [
    "X-User-Id",
    "X-User",
    "x_user_id",
    "X_Forwarded_For",
    "X-Forwarded-Host",
    "X-Forwarded-User",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "X-Caller",
    "X-Auth-Request-Email",
    "X-Authenticated-User",
    "X-Remote-User",
    "Remote-User",
    "X-Internal-Secret",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Facet-Caller",
    "CF-Connecting-IP",
    "True-Client-IP",
    "Forwarded",
    "Via",
    "X-API-Key",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Keep-Alive",
    "TE",
    "Trailer",
    "Upgrade",
    "Expect",
]


@pytest.mark.parametrize("name", SPOOFED)
async def test_a_field_that_is_not_the_callers_to_say_is_dropped(door: LiveApp, items, name: str) -> None:
    response = await door.client.get("/items", headers={name: "spoofed", "X-Mine": "kept"})
    assert response.status_code == 200
    assert b"spoofed" not in items.last.head
    assert items.last.values(b"x-mine") == [b"kept"]


async def test_the_address_is_the_connections_and_not_what_was_claimed(door: LiveApp, items) -> None:
    await door.client.get("/items", headers=[("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8")])
    assert items.last.values(b"x-forwarded-for") == [b"127.0.0.1"]
    await door.client.get("/items", headers={"X-Forwarded-Proto": "https"})
    assert items.last.values(b"x-forwarded-proto") == [b"http"]


async def test_the_host_is_the_upstreams(door: LiveApp, items) -> None:
    await door.client.get("/items", headers={"Host": "evil.example"})
    assert items.last.values(b"host") == [items.url.removeprefix("http://").encode()]
    assert b"evil" not in items.last.head


@pytest.mark.parametrize("named", ["x-secret", "close, X-Secret", "keep-alive,x-other , x-secret"])
async def test_fields_named_by_connection_end_here(door: LiveApp, items, named: str) -> None:
    headers = {"Connection": named, "X-Secret": "hop", "X-Mine": "kept"}
    await door.client.get("/items", headers=headers)
    assert items.last.values(b"x-secret") == []
    assert items.last.values(b"connection") == []
    assert items.last.values(b"x-mine") == [b"kept"]


async def test_naming_our_own_fields_by_connection_removes_none_of_them(
    door: LiveApp, items, identity: TestIdentity
) -> None:
    named = "authorization, x-forwarded-for, x-request-id, traceparent, host, content-length"
    await door.client.post("/mine", headers={"Connection": named, **identity.headers()}, content=b"body")
    for name in (b"authorization", b"x-forwarded-for", b"x-request-id", b"traceparent", b"host"):
        assert len(items.last.values(name)) == 1
    assert items.last.body == b"body"


async def test_other_fields_pass_unchanged_and_in_order(door: LiveApp, items, dial) -> None:
    sent = [
        (b"accept", b"*/*;q=0.5"),
        (b"x-many", b"one"),
        (b"cookie", b"a=b"),
        (b"x-many", b"two"),
        (b"x-empty", b""),
        (b"x-odd", b"\xe9\xff caf\xc3\xa9\t!"),
        (b"x-many", b"three"),
        (b"if-none-match", b'"etag"'),
    ]
    wire = await dial(door.port)
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in sent)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert (await wire.answer())[0] == 200
    names = {name for name, _ in sent}
    assert [(name, value) for name, value in items.last.fields if name in names] == sent


async def test_a_request_id_enters_and_reaches_upstream_and_caller(door: LiveApp, items) -> None:
    response = await door.client.get("/items", headers={"X-Request-ID": "order-66"})
    assert items.last.values(b"x-request-id") == [b"order-66"]
    assert response.headers.get_list("x-request-id") == ["order-66"]


@pytest.mark.parametrize("bad", ["", "a b", "a" * 129, "x;y", "é".encode().decode("latin-1"), "{}"])
async def test_an_ill_formed_request_id_is_replaced(door: LiveApp, items, bad: str) -> None:
    response = await door.client.get("/items", headers=[(b"X-Request-ID", bad.encode("latin-1"))])
    made = response.headers["x-request-id"]
    assert made != bad
    assert len(made) == 32
    assert items.last.values(b"x-request-id") == [made.encode()]


async def test_a_trace_goes_on_with_a_span_of_its_own(door: LiveApp, items) -> None:
    trace, parent = b"a" * 32, b"b" * 16
    await door.client.get("/items", headers=[(b"traceparent", b"00-%b-%b-01" % (trace, parent))])
    (sent,) = items.last.values(b"traceparent")
    version, kept, span, flags = sent.split(b"-")
    assert (version, kept, flags) == (b"00", trace, b"01")
    assert span != parent


STATE = "rojo=00f067aa0ba902b7"
TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


async def test_a_tracestate_goes_with_its_trace(door: LiveApp, items) -> None:
    await door.client.get(
        "/items", headers=[("traceparent", TRACE), ("tracestate", STATE), ("tracestate", "a=b")]
    )
    assert items.last.values(b"tracestate") == [STATE.encode() + b",a=b"]


@pytest.mark.parametrize(
    "parent", [[], [("traceparent", "00-abc-def-01")], [("traceparent", f"ff{TRACE[2:]}")]]
)
async def test_a_tracestate_of_another_trace_is_dropped(door: LiveApp, items, parent) -> None:
    await door.client.get("/items", headers=[*parent, ("tracestate", STATE)])
    assert items.last.values(b"tracestate") == []


async def test_the_upstream_learns_that_a_gateway_stands_in_front(door: LiveApp, items) -> None:
    await door.client.get("/items")
    assert items.last.values(b"via") == [b"1.1 facet"]


DROPPED = [
    "Server",
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Trailer",
    "Upgrade",
    "X-Process-Time",
    "Date",
]


@pytest.mark.parametrize("name", DROPPED)
async def test_a_field_that_is_not_the_upstreams_to_say_is_dropped(
    door: LiveApp, items, answer, name: str
) -> None:
    items.answer = answer(b"ok", b"HTTP/1.1 200 OK\r\n%b: said-behind\r\nX-Kept: yes\r\n" % name.encode())
    response = await door.client.get("/items")
    assert response.text == "ok"
    assert "said-behind" not in repr(response.headers)
    assert response.headers["x-kept"] == "yes"


async def test_an_upstream_cannot_take_the_length_away_by_connection(door: LiveApp, items, dial) -> None:
    """Without it the client would not know where the answer ends."""
    items.answer = b"HTTP/1.1 200 OK\r\nconnection: content-length\r\ncontent-length: 2\r\n\r\nok"
    wire = await dial(door.port)
    await wire.send(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"content-length: 2\r\n" in await wire.head()


async def test_fields_the_upstream_names_by_connection_end_here(door: LiveApp, items, answer) -> None:
    items.answer = answer(b"ok", b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Kept: yes\r\n")
    response = await door.client.get("/items")
    assert "x-hop" not in response.headers
    assert response.headers["x-kept"] == "yes"


async def test_the_request_id_of_an_answer_is_ours_alone(door: LiveApp, items, answer) -> None:
    items.answer = answer(b"ok", b"HTTP/1.1 200 OK\r\nX-Request-ID: theirs\r\n")
    response = await door.client.get("/items", headers={"X-Request-ID": "ours"})
    assert response.headers.get_list("x-request-id") == ["ours"]
    assert len(response.headers.get_list("x-process-time")) == 1
    assert "server" not in response.headers
    assert len(response.headers.get_list("date")) == 1


async def test_answers_keep_their_fields_and_the_order_of_repeated_ones(door: LiveApp, items, answer) -> None:
    items.answer = answer(
        b"ok",
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nX-Total-Count: 7\r\nSet-Cookie: b=2\r\n"
        b"Vary: Accept\r\nVary: Cookie\r\nX-Odd: caf\xe9\r\nLocation: /items/5\r\n",
    )
    response = await door.client.get("/items")
    assert response.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2"]
    assert response.headers.get_list("vary") == ["Accept", "Cookie", "Origin"]
    assert response.headers["x-total-count"] == "7"
    assert response.headers["location"] == "/items/5"
    assert (b"x-odd", b"caf\xe9") in [(name.lower(), value) for name, value in response.headers.raw]


def test_what_is_remembered_about_names_is_bounded() -> None:
    for name in range(3000):
        assert PASSES_IN[b"x-%d" % name] == PASSES_OUT[b"x-%d" % name] == b"x-%d: " % name
    assert len(PASSES_IN) <= 1024
    assert len(PASSES_OUT) <= 1024
