"""The memory and CPU of a process and its children, as the kernel counts them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_PSS = re.compile(r"^Pss: +(\d+) kB", re.MULTILINE)


@dataclass(slots=True)
class Tree:
    """A process tree: its peak memory in bytes and its CPU in seconds, by samples."""

    pid: int
    peak: int = 0
    processes: int = 0
    cpu: float = 0.0

    def sample(self) -> None:
        """Look once; pages that processes share are counted once (PSS)."""
        pids = members(self.pid)
        self.processes = max(self.processes, len(pids))
        self.peak = max(self.peak, sum(map(_memory, pids)))
        self.cpu = max(self.cpu, sum(map(_cpu, pids)))


def members(pid: int) -> list[int]:
    """The process and all it started, as far as they live."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for task in tasks for word in _read(task / "children").split()]
    except OSError:
        return []
    return [pid, *(one for child in children for one in members(child))]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # it ended in between


def _memory(pid: int) -> int:
    found = _PSS.search(_read(Path(f"/proc/{pid}/smaps_rollup")))
    return int(found[1]) * 1024 if found else 0


def _cpu(pid: int) -> float:
    """User and system seconds, with those of ended children."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") if fields else 0.0
