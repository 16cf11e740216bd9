"""CPUs by quota and affinity, whichever is fewer."""

import os
from pathlib import Path

import pytest

from shared.cpus import usable_cpus


@pytest.fixture(autouse=True)
def _eight_by_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def v2(folder: Path, text: str) -> Path:
    (folder / "cpu.max").write_text(text)
    return folder


def v1(folder: Path, quota: str, period: str = "100000") -> Path:
    (folder / "cpu").mkdir()
    (folder / "cpu/cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu/cpu.cfs_period_us").write_text(period)
    return folder


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("10000 100000\n", 1),
        ("9900000 100000\n", 8),
        ("max 100000\n", 8),
        ("nonsense\n", 8),
        ("", 8),
    ],
)
def test_a_v2_quota_counts_whole_cpus_and_never_more_than_affinity(
    tmp_path: Path, text: str, cpus: int
) -> None:
    assert usable_cpus(v2(tmp_path, text)) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [("300000", 3), ("50000", 1), ("-1", 8), ("x", 8)])
def test_a_v1_quota_counts_where_there_is_no_v2(tmp_path: Path, quota: str, cpus: int) -> None:
    assert usable_cpus(v1(tmp_path, quota)) == cpus


def test_v2_comes_before_v1(tmp_path: Path) -> None:
    assert usable_cpus(v1(v2(tmp_path, "200000 100000"), "500000")) == 2


def test_without_a_cgroup_affinity_decides(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == 8


def test_without_affinity_the_machine_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cpus(tmp_path) == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus(tmp_path) == 1
