"""Run a program on a terminal of its own; note what it writes, when, and the CPU it takes."""

from __future__ import annotations

import fcntl
import os
import pty
import resource
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Run:
    """CPU in seconds, peak memory in kB, and each piece of output with its moment (monotonic)."""

    cpu: float = 0.0
    peak_kb: int = 0
    ended: float = 0.0
    pieces: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def written(self) -> int:
        return sum(len(piece) for _, piece in self.pieces)


def run(argv: Sequence[str], env: Mapping[str, str], *, columns: int = 80, rows: int = 24) -> Run:
    """Run `argv` to its end on a terminal of that size."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execve(argv[0], list(argv), {**os.environ, **env, "TERM": "xterm-256color"})
    result = Run()
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        result.pieces.append((time.monotonic(), piece))
    _, status, usage = os.wait4(pid, 0)
    os.close(terminal)
    result.ended = time.monotonic()
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(b"".join(piece for _, piece in result.pieces)[-2000:].decode())
    result.cpu = usage.ru_utime + usage.ru_stime
    result.peak_kb = usage.ru_maxrss
    return result


def page_kb() -> int:
    """A page of memory in kB; smaller differences are noise."""
    return resource.getpagesize() // 1024
