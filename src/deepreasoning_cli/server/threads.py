"""Run what may wait for a disk in threads, while the event loop goes on.

A line of a journal is in the file before its text is sent, so that each token costs a write. A
write is quick nearly always, but sometimes it waits for the disk, and nothing predicts when. On the
event loop such a write holds up every stream. In a thread it is safe, but costs about 50 µs of CPU,
as much as the rest of the token's way; a write on the event loop takes 4 µs (measured on two cores,
CPython 3.11).

So `DiskThreads` hands over writes while they are few: `WRITES_A_SECOND`, after a burst of `BURST`.
With a few streams that is every write, and a write that waits holds up only its own stream. Under
more load all run on the event loop as long as the disk is quick: to hand over some of them would
cost more than it guards against. The disk counts as slow while a write or a sync takes longer than
`LAG_SECONDS`, and for `SLOW_SECONDS` after such a write: then every write is handed over. The only
write that can hold up all streams is the first one that waits under load.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from deepreasoning_cli.greenlets import run_in_thread_shielded

T = TypeVar("T")

LAG_SECONDS: Final = 0.05
SLOW_SECONDS: Final = 1.0
WRITES_A_SECOND: Final = 100
BURST: Final = 200
WRITE_THREADS: Final = 8
FILE_THREADS: Final = 16


class DiskThreads:
    """The threads of one process that wait for disks; their number is bounded.

    `is_lagging` says whether something else has waited for the disk for so many seconds. Both
    `run` methods are for code that `greenlet_spawn` runs: it waits, while the event loop goes on.
    """

    def __init__(
        self,
        is_lagging: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
        burst: int = BURST,
    ) -> None:
        self._is_lagging = is_lagging
        self._clock = clock
        self._burst = burst
        self._write_threads = ThreadPoolExecutor(WRITE_THREADS, "journal-write")
        self._file_threads = ThreadPoolExecutor(FILE_THREADS, "journal-file")
        self._allowance = float(burst)
        self._allowed_at = clock()
        self._began: dict[int, float] = {}
        """When the write began that a thread makes now, by the thread's number."""
        self._slow_until = 0.0

    def run(self, action: Callable[[], T]) -> T:
        """What the action returns or raises, for one that takes long: to open, to save."""
        return run_in_thread_shielded(action, self._file_threads)

    def run_write(self, action: Callable[[], None]) -> None:
        """Run an action that is usually quick; raise what it raises."""
        now = self._clock()
        if self._is_within_rate(now) or self._is_slow(now):
            run_in_thread_shielded(partial(self._write_in_thread, action), self._write_threads)
        else:
            self._write(action, now)

    def _is_within_rate(self, now: float) -> bool:
        """Whether the rate of writes allows that this one is handed over; counts it.

        Writes that it does not allow are counted too: while they are many, it allows none.
        """
        earned = (now - self._allowed_at) * WRITES_A_SECOND
        self._allowed_at = now
        allowance = min(self._burst, self._allowance + earned)
        self._allowance = max(allowance - 1, -self._burst)
        return allowance >= 1

    def _is_slow(self, now: float) -> bool:
        began = self._began
        return (
            now < self._slow_until
            or (bool(began) and any(now - each > LAG_SECONDS for each in tuple(began.values())))
            or self._is_lagging(LAG_SECONDS)
        )

    def _write_in_thread(self, action: Callable[[], None]) -> None:
        thread, began = threading.get_ident(), self._clock()
        self._began[thread] = began
        try:
            self._write(action, began)
        finally:
            del self._began[thread]

    def _write(self, action: Callable[[], None], began: float) -> None:
        """Run the action, and note whether it took long."""
        try:
            action()
        finally:
            now = self._clock()
            if now - began > LAG_SECONDS:
                self._slow_until = now + SLOW_SECONDS
