"""Ids that came in go on where they are well-formed, and are replaced where not."""

import re

import pytest

from shared.context import RequestContext

HEX32, HEX16 = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{HEX32}-{HEX16}-01"


@pytest.mark.parametrize("sent", [b"a", b"Order-66_x.y", b"x" * 128])
def test_a_well_formed_request_id_is_kept(sent: bytes) -> None:
    assert RequestContext.start(sent).request_id == sent.decode()


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"x" * 129,
        b"two words",
        b"a\r\nSet-Cookie: b",
        b"a\n",
        "é".encode(),
        b"a\x00",
        b"<script>",
        b"a,b",
    ],
)
def test_any_other_request_id_is_replaced(sent: bytes) -> None:
    assert re.fullmatch("[0-9a-f]{32}", RequestContext.start(sent).request_id)


def test_ids_are_made_where_none_came_in() -> None:
    one, other = RequestContext.start(), RequestContext.start()
    assert one.request_id != other.request_id
    assert one.trace_id != other.trace_id
    assert re.fullmatch(f"00-{one.trace_id}-{one.span_id}-00", one.traceparent)


def test_a_trace_goes_on_with_a_span_of_its_own() -> None:
    context = RequestContext.start(traceparent=GOOD.encode())
    assert context.trace_id == HEX32
    assert context.span_id != HEX16
    assert context.traceparent == f"00-{HEX32}-{context.span_id}-01"


def test_a_later_version_may_have_a_tail() -> None:
    assert RequestContext.start(traceparent=f"cc-{HEX32}-{HEX16}-01-more".encode()).trace_id == HEX32
    assert RequestContext.start(traceparent=f"cc-{HEX32}-{HEX16}-01".encode()).trace_id == HEX32


@pytest.mark.parametrize(
    "sent",
    [
        f"ff-{HEX32}-{HEX16}-01",
        f"00-{'0' * 32}-{HEX16}-01",
        f"00-{HEX32}-{'0' * 16}-01",
        GOOD.upper(),
        f"{GOOD}-tail",
        f"{GOOD}-",
        f"cc-{HEX32}-{HEX16}-01.more",
        f"0-{HEX32}-{HEX16}-01",
        f"00-{HEX32[1:]}-{HEX16}-01",
        f"00-{HEX32}-{HEX16}",
        f"00-{HEX32}-{HEX16}-1",
        f" {GOOD}",
        f"{GOOD}\n",
        "",
    ],
)
def test_an_invalid_traceparent_starts_a_new_trace(sent: str) -> None:
    context = RequestContext.start(traceparent=sent.encode())
    assert context.trace_id != HEX32
    assert context.trace_id.strip("0")
    assert context.flags == "00"
