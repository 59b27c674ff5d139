"""The real program in a process of its own: behind pipes, or on a terminal."""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from support.screen import foreign

FORKED: Final = os.name == "posix" and os.environ.get("DEEPREASONING_FORKED") != "0"
PROGRAM: Final = (sys.executable, "-m", "deepreasoning_cli")
GUARD: Final = """
import os, sys
def refuse(event, arguments):
    connects = event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
    if connects and arguments[0] != "127.0.0.1":  # a server looks up where it listens
        os.write(2, f"the network was used: {event} {arguments}\\n".encode())
        os._exit(99)
sys.addaudithook(refuse)
"""
OFFLINE: Final = (
    sys.executable,
    "-c",
    f"{GUARD}\nfrom deepreasoning_cli.__main__ import main\nmain()",
)
"""The program in a process in which nobody connects and no name is looked up."""
HOME: Final = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME")
NEEDED: Final = ("PATH", "SYSTEMROOT")

# Makes the terminal on stdin the controlling one, so that Ctrl-C is a signal; then the program.
ON_TERMINAL: Final = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


class After(float):
    """Seconds since the key before."""


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """What the program left: exit code (negative: the signal that killed it) and output."""

    code: int
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class PtyRun:
    """The same on a terminal, where stdout and stderr are one."""

    code: int
    output: bytes

    @property
    def colorless(self) -> bytes:
        """The output without colours."""
        return re.sub(rb"\x1b\[[0-9;]*m", b"", self.output)


def homes(home: Path) -> dict[str, str]:
    """What makes `home` the user's, whatever a test's own is."""
    places = ("", ".config", ".local/share", ".cache", ".local/state")
    return {name: str(home / place) for name, place in zip(HOME, places, strict=True)}


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing but PATH, the test's own home (conftest sets it), the locale, and `extra`."""
    kept = {name: os.environ[name] for name in (*NEEDED, *HOME) if name in os.environ}
    measuring = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return {**kept, **measuring, "LANG": "C.UTF-8", **extra}


def run(
    *args: str,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 30,
    program: Sequence[str] = PROGRAM,
) -> CompletedRun:
    """Run the program to its end. Without `stdin` it reads the null device; b"" is an empty pipe.

    Where that is the same, it is forked from a process that has imported it: support/forked.py.
    Raises subprocess.TimeoutExpired after `timeout` seconds; the process is killed then.
    """
    if FORKED and program == PROGRAM:
        from support import forked

        if forked.is_the_same(args, env or {}):
            return forked.run(*args, stdin=stdin, env=environment(env or {}), timeout=timeout)
    with subprocess.Popen(
        [*program, *args],
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(env or {}),
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except BaseException:
            process.kill()
            raise
        return CompletedRun(process.returncode, stdout, stderr)


def read_until(stream: IO[bytes] | None, words: bytes, seconds: float = 30) -> bytes:
    """What a running program writes into a pipe, up to what has these words.

    Fails where they do not come in so many seconds, or the program ends without them.
    """
    assert stream is not None
    said = b""
    until = time.monotonic() + seconds
    while words not in said:
        ready, _, _ = select.select([stream], [], [], max(until - time.monotonic(), 0))
        assert ready, f"{words!r} did not come in {seconds} s: {said!r}"
        more = os.read(stream.fileno(), 65536)
        assert more, f"it ended without {words!r}: {said!r}"
        said += more
    return said


def run_in_pty(
    *args: str,
    rows: int = 24,
    columns: int = 80,
    keys: Sequence[tuple[float | bytes, bytes]] = (),
    env: Mapping[str, str] | None = None,
    timeout: float = 30,
    program: Sequence[str] = PROGRAM,
) -> PtyRun:
    """Run the program on a terminal of that size and press `keys` in turn.

    What the terminal is sent has to be of the grammar in screen.py.

    A key comes with its time in seconds since the start, with the pause `After` the key before, or
    with the bytes that the terminal must have shown since that. Raises TimeoutError with what was
    shown.
    """
    import fcntl
    import pty
    import termios

    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-IS", "-c", ON_TERMINAL, *program, *args],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment({"TERM": "xterm-256color", **(env or {})}),
            start_new_session=True,
        )
    finally:
        os.close(slave)
    try:
        output = read_terminal(master, keys, time.monotonic(), timeout)
        strange = foreign(output.decode("utf-8", "replace"))
        assert strange == "", f"sent to the terminal: {strange!r}"
        return PtyRun(process.wait(timeout), output)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout)
        os.close(master)


def read_terminal(
    master: int, keys: Sequence[tuple[float | bytes, bytes]], start: float, timeout: float
) -> bytes:
    """Everything shown until the last process has left the terminal."""
    output, seen, waiting = bytearray(), 0, list(keys)
    pressed = start
    while True:
        now = time.monotonic()
        passed = now - start
        if passed > timeout:
            raise TimeoutError(f"still on the terminal after {timeout} s: {output[-2000:]!r}")
        if waiting and _due(waiting[0][0], bytes(output[seen:]), passed, now - pressed):
            os.write(master, waiting.pop(0)[1])
            seen, pressed = len(output), now
            continue
        if not select.select([master], [], [], 0.005)[0]:
            continue
        try:
            shown = os.read(master, 65536)
        except OSError:  # Linux says EIO, others an empty read
            shown = b""
        if not shown:
            return bytes(output)
        output += shown


def _due(when: float | bytes, shown: bytes, passed: float, paused: float) -> bool:
    if isinstance(when, bytes):
        return when in shown
    return (paused if isinstance(when, After) else passed) >= when
