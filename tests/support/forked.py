"""Runs of the program that are forked: what most end-to-end tests start, at a tenth of the cost.

With DEEPREASONING_FORKED=0 each is started as a user does: the same tests, and more time.
"""

from __future__ import annotations

import atexit
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final

from support.forking import LARGEST, Forker
from support.runner import PROGRAM, CompletedRun

LARGEST_CALL: Final = LARGEST // 4  # characters of arguments and environment
READ_AT_ONCE: Final = ("PYTHON", "LANG", "LC_", "TZ", "TERM", "NO_COLOR", "FORCE_", "CLICOLOR")
"""What an interpreter or a library reads before the program begins."""


def is_the_same(args: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a forked run does what a started one would do; workers start from a main program."""
    size = sum(map(len, (*args, *env, *env.values())))
    reads = any(name.startswith(READ_AT_ONCE) for name in env)
    return size < LARGEST_CALL and not reads and "--workers" not in args


@cache
def _forker() -> Forker:
    """The process that forks for all tests of this one; it ends with them."""
    forker = Forker().__enter__()
    atexit.register(forker.__exit__, None, None, None)
    return forker


def run(*args: str, stdin: bytes | None, env: Mapping[str, str], timeout: float) -> CompletedRun:
    """Run the program to its end, as `runner.run` says."""
    (out, stdout), (err, stderr) = os.pipe(), os.pipe()
    given, feed = (os.open(os.devnull, os.O_RDONLY), None) if stdin is None else os.pipe()
    open_ = {out, err, *([] if feed is None else [feed])}
    try:
        try:
            streams = (given, stdout, stderr)
            forked = _forker().start(*args, streams=streams, env=env, hurried=False)
        finally:
            for fd in (given, stdout, stderr):
                os.close(fd)
        try:
            written = _exchanged(open_, feed, stdin or b"", time.monotonic() + timeout)
            return CompletedRun(forked.wait(timeout), written[out], written[err])
        except TimeoutError as late:
            raise subprocess.TimeoutExpired([*PROGRAM, *args], timeout) from late
        finally:
            with suppress(ProcessLookupError):
                forked.send_signal(signal.SIGKILL)  # unless it has ended
    finally:
        for fd in open_:
            os.close(fd)


def _exchanged(open_: set[int], feed: int | None, given: bytes, until: float) -> dict[int, bytes]:
    """What comes out of each pipe, while `given` goes into `feed`; closes them."""
    found = {fd: bytearray() for fd in open_}
    with selectors.DefaultSelector() as selector:
        for fd in open_:
            selector.register(fd, selectors.EVENT_WRITE if fd == feed else selectors.EVENT_READ)
        if feed is not None:
            os.set_blocking(feed, False)
        left = memoryview(given)
        while selector.get_map():
            if not (ready := selector.select(max(until - time.monotonic(), 0))):
                raise TimeoutError
            for key, _ in ready:
                if key.fd == feed:
                    left = _fed(feed, left)
                    over = not left
                else:
                    piece = os.read(key.fd, 1 << 16)
                    found[key.fd] += piece
                    over = not piece
                if over:
                    selector.unregister(key.fd)
                    open_.remove(key.fd)
                    os.close(key.fd)
    return {fd: bytes(text) for fd, text in found.items()}


def _fed(feed: int, left: memoryview) -> memoryview:
    """What is left when the pipe has taken some; nothing, if nobody reads it."""
    try:
        return left[os.write(feed, left) :] if left else left
    except BrokenPipeError:
        return left[:0]
