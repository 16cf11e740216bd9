"""Resident memory of a process and its children, and the most that it was."""

from pathlib import Path

import psutil


class Memory:
    """`start` begins anew; `growth` is the most since then, over what it was then. Bytes."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def start(self) -> None:
        """The kernel's high-water marks begin at what is resident now."""
        for process in self._processes():
            Path(f"/proc/{process}/clear_refs").write_text("5")
        self._before = self._sum("VmRSS")

    @property
    def before(self) -> int:
        return self._before

    def growth(self) -> int:
        return self._sum("VmHWM") - self._before

    def _processes(self) -> list[int]:
        root = psutil.Process(self._pid)
        return [root.pid, *(child.pid for child in root.children(recursive=True))]

    def _sum(self, field: str) -> int:
        return sum(_kilobytes(process, field) for process in self._processes()) * 1024


def _kilobytes(process: int, field: str) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise ValueError(f"process {process} has no {field}")
