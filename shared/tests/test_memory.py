"""Memory that may be used: the cgroup's where there is a limit, else the machine's."""

import os
from pathlib import Path

import pytest

from shared.memory import MIB, usable_memory

PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f"{384 * MIB}\n", 384 * MIB),
        ("max\n", PHYSICAL),
        ("9223372036854771712\n", PHYSICAL),
        ("", PHYSICAL),
        ("nonsense", PHYSICAL),
    ],
)
def test_a_limit_counts_where_it_is_one(tmp_path: Path, name: str, written: str, expected: int) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(written)
    assert usable_memory(tmp_path) == expected


def test_without_a_cgroup_it_is_the_machines(tmp_path: Path) -> None:
    assert usable_memory(tmp_path) == PHYSICAL
    assert 0 < usable_memory() <= PHYSICAL
