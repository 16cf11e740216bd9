"""Cores are kept awake where that is allowed, and only as long as it is asked for."""

import os
import struct
from pathlib import Path

from loadtests.bench.awake import awake, round_trip

CORE = min(os.sched_getaffinity(0))


def test_the_kernel_is_told_that_no_delay_is_allowed_until_the_end(tmp_path: Path) -> None:
    device = tmp_path / "cpu_dma_latency"
    device.touch()
    with awake(device) as kept:
        assert kept
        assert struct.unpack("i", device.read_bytes()) == (0,)
        assert str(device) in held()
    assert str(device) not in held()


def held() -> list[str]:
    return [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


def test_a_machine_that_does_not_allow_it_goes_on(tmp_path: Path) -> None:
    with awake(tmp_path / "none") as kept:
        assert not kept
    assert not (tmp_path / "none").exists()
    with awake(tmp_path) as kept:  # there, and refused
        assert not kept


def test_a_round_trip_is_measured_and_leaves_no_pin() -> None:
    before = os.sched_getaffinity(0)
    assert round_trip(CORE, CORE) > 0
    assert os.sched_getaffinity(0) == before
