"""Run what may wait for a disk in threads, while the event loop goes on.

A line of a journal is in the file before its text is sent, so that each token costs a write. A
write is quick nearly always, and now and then it waits for the disk, which nobody can tell before:
made on the event loop, it holds up every stream. To hand a write over to a thread is safe and
costs about 80 µs of CPU where tokens come one by one, as much as the rest of the token's way; a
write on the event loop takes 3 µs (measured on two cores, CPython 3.11).

So `DiskThreads` hands over as many writes as cost next to nothing, `WRITES_A_SECOND` after a burst
of `BURST`: with a few streams that is every write, and one that waits holds up its own stream
alone. Under more load the writes between them are made on the event loop, as long as the disk is
quick. It counts as slow for `SLOW_SECONDS` when a write took longer than `LAG_SECONDS`, here or in
a thread, and while a sync does, which waits before writes have to: then every write is handed over.
What can hold up all streams is one write, the first that waits under load.

Writes go to a thread in batches, all that one turn of the event loop brings. Where a batch takes
longer than `LAG_SECONDS`, what stands behind the line that waits goes to the next thread.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from deepreasoning_cli.greenlets import await_only, run_in_thread_shielded

T = TypeVar("T")

RELIEF_SECONDS: Final = 0.01
LAG_SECONDS: Final = 0.05
SLOW_SECONDS: Final = 1.0
WRITES_A_SECOND: Final = 100
BURST: Final = 200
WRITE_THREADS: Final = 8
FILE_THREADS: Final = 16


class Write:
    """A write that a thread makes, and whoever waits for it."""

    __slots__ = ("action", "ended", "error", "future")

    def __init__(self, action: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self.action = action
        self.future: asyncio.Future[None] = loop.create_future()
        self.ended = False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the action, in whatever thread."""
        try:
            self.action()
        except BaseException as error:  # noqa: BLE001 (raised again where it is waited for)
            self.error = error

    def end(self) -> None:
        """Wake whoever waits. To be called on the event loop."""
        self.ended = True
        if not self.future.done():
            self.future.set_result(None)

    def wait(self) -> None:
        """Raise what the action raised. A task that is cancelled goes on when it has ended."""
        cancelled: asyncio.CancelledError | None = None
        while not self.ended:
            try:
                await_only(self.future)
            except asyncio.CancelledError as error:
                cancelled = error
                self.future = self.future.get_loop().create_future()
        if cancelled:
            raise cancelled
        if self.error:
            raise self.error


class WriteBatch:
    """Writes that one thread makes, in their order."""

    def __init__(self, writes: deque[Write], loop: asyncio.AbstractEventLoop) -> None:
        self.writes = writes
        self.loop = loop
        self.timer: asyncio.TimerHandle | None = None
        self._ended: deque[Write] = deque()

    def run(self) -> None:
        """Run all that nobody takes away, then tell the event loop."""
        with suppress(IndexError):
            while True:
                write = self.writes.popleft()
                write.run()
                self._ended.append(write)
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._end)

    def take_rest(self) -> deque[Write]:
        """Wake who waits for writes that have ended; return those that have not begun."""
        self._wake()
        rest: deque[Write] = deque()
        with suppress(IndexError):
            while True:
                rest.append(self.writes.popleft())
        return rest

    def _end(self) -> None:
        if self.timer:
            self.timer.cancel()
        self._wake()

    def _wake(self) -> None:
        while self._ended:
            self._ended.popleft().end()


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
        self._writes = ThreadPoolExecutor(WRITE_THREADS, "journal-write")
        self._files = ThreadPoolExecutor(FILE_THREADS, "journal-file")
        self._next: deque[Write] = deque()
        self._allowance = float(burst)
        self._allowed_at = clock()
        self._slow_until = 0.0

    def run(self, action: Callable[[], T]) -> T:
        """What the action returns or raises, for one that takes long: to open, to save."""
        return run_in_thread_shielded(action, self._files)

    def run_write(self, action: Callable[[], None]) -> None:
        """Run an action that is quick as a rule; raise what it raises."""
        began = self._clock()
        if self._hands_over(began):
            self._hand_over(action)
            return
        action()
        if self._clock() - began > LAG_SECONDS:
            self._note_slow()

    def _hands_over(self, now: float) -> bool:
        earned = (now - self._allowed_at) * WRITES_A_SECOND
        self._allowed_at = now
        self._allowance = min(self._burst, self._allowance + earned)
        if self._allowance >= 1:
            self._allowance -= 1
            return True
        return now < self._slow_until or self._is_lagging(LAG_SECONDS)

    def _hand_over(self, action: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        write = Write(action, loop)
        if not self._next:
            loop.call_soon(self._submit_next, loop)
        self._next.append(write)
        write.wait()

    def _submit_next(self, loop: asyncio.AbstractEventLoop) -> None:
        writes, self._next = self._next, deque()
        self._submit(WriteBatch(writes, loop))

    def _submit(self, batch: WriteBatch) -> None:
        self._writes.submit(batch.run)
        batch.timer = batch.loop.call_later(RELIEF_SECONDS, self._relieve, batch)

    def _relieve(self, batch: WriteBatch) -> None:
        """The batch takes long: give what it has not begun to another thread."""
        batch.timer = batch.loop.call_later(LAG_SECONDS, self._note_slow)
        if rest := batch.take_rest():
            self._submit(WriteBatch(rest, batch.loop))

    def _note_slow(self) -> None:
        self._slow_until = self._clock() + SLOW_SECONDS
