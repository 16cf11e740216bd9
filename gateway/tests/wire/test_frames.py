"""Where WebSocket frames end, however the bytes are cut."""

import pytest

from gateway.wire.frames import FrameEnds, close_frame

SIZES = [0, 1, 125, 126, 65_535, 65_536]


def frame(size: int, *, masked: bool, opcode: int = 2) -> bytes:
    mask = 0x80 if masked else 0
    if size < 126:
        head = bytes((0x80 | opcode, mask | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, mask | 126)) + size.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, mask | 127)) + size.to_bytes(8)
    return head + (b"\x81\x82\x83\x84" if masked else b"") + b"\x88" * size


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 4096, 1_000_000])
def test_every_end_is_seen_and_nothing_else(masked: bool, step: int) -> None:
    stream, ends, at = b"", {0}, 0
    for size in SIZES:
        stream += frame(size, masked=masked)
        ends.add(len(stream))
    watched = FrameEnds()
    while at < len(stream):
        assert watched.may_close == (at in ends)
        watched.feed(stream[at : at + step])
        at = min(at + step, len(stream))
    assert watched.may_close


def test_nothing_is_said_after_a_close() -> None:
    watched = FrameEnds()
    watched.feed(frame(2, masked=True, opcode=8))
    assert not watched.may_close


def test_a_close_is_masked_towards_a_server_only() -> None:
    assert close_frame(1001, masked=False) == b"\x88\x02\x03\xe9"
    covered = close_frame(1001, masked=True)
    assert covered[:2] == b"\x88\x82"
    assert bytes(covered[6 + place] ^ covered[2 + place] for place in range(2)) == b"\x03\xe9"
