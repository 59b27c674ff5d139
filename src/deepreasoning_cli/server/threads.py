"""Run what may wait for a disk in threads, while the event loop goes on.

A line of a journal is in the file before its text is sent, so that each token costs a write. A
write is quick nearly always, and now and then it waits for the disk, which nobody can tell before:
made on the event loop, it would hold up every stream. A thread for each write costs 60 µs of CPU
a token (measured here on two cores, CPython 3.11), more than the rest of the token's way.

So writes are made in batches: all that one turn of the event loop brings goes to one thread, which
wakes once and wakes the event loop once. Measured: a write on the event loop takes 2 to 4 µs, in a
batch 3 µs where 100 streams run, 7 µs where 10 do, and 60 µs where one stream is alone and the
processor has nothing else to do. A batch that takes longer than `LAG_SECONDS` waits for a disk: what
stands behind the line that waits goes to the next thread, so that only one stream waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, TypeVar

from deepreasoning_cli.bridge import wait

T = TypeVar("T")

LAG_SECONDS: Final = 0.01
WRITE_THREADS: Final = 8
FILE_THREADS: Final = 16


class Call:
    """An action that runs elsewhere; afterwards what it returned or raised."""

    __slots__ = ("action", "ended", "error", "future", "result")

    def __init__(self, action: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.action = action
        self.future: asyncio.Future[None] = loop.create_future()
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Run the action, in whatever thread."""
        try:
            self.result = self.action()
        except BaseException as error:  # noqa: BLE001 (raised again where the result is awaited)
            self.error = error

    def end(self) -> None:
        """Wake whoever waits. To be called on the event loop."""
        self.ended = True
        if not self.future.done():
            self.future.set_result(None)

    def wait(self) -> Any:
        """What the action returns or raises. A task that is cancelled goes on when it has ended."""
        cancelled: asyncio.CancelledError | None = None
        while not self.ended:
            try:
                wait(self.future)
            except asyncio.CancelledError as error:
                cancelled = error
                self.future = self.future.get_loop().create_future()
        if cancelled:
            raise cancelled
        if self.error:
            raise self.error
        return self.result


class Batch:
    """Calls that one thread runs, in their order."""

    def __init__(self, calls: deque[Call], loop: asyncio.AbstractEventLoop) -> None:
        self.calls = calls
        self.loop = loop
        self.timer: asyncio.TimerHandle | None = None
        self._ended: deque[Call] = deque()

    def run(self) -> None:
        """Run all that nobody takes away, then tell the event loop."""
        with suppress(IndexError):
            while True:
                call = self.calls.popleft()
                call.run()
                self._ended.append(call)
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            self.loop.call_soon_threadsafe(self._end)

    def take_rest(self) -> deque[Call]:
        """Wake who waits for calls that have ended; return those that have not begun."""
        self._wake()
        rest: deque[Call] = deque()
        with suppress(IndexError):
            while True:
                rest.append(self.calls.popleft())
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

    Both methods are for code that `bridged` runs: it waits, while the event loop goes on.
    """

    def __init__(
        self,
        write_threads: int = WRITE_THREADS,
        file_threads: int = FILE_THREADS,
        lag_seconds: float = LAG_SECONDS,
    ) -> None:
        self._writes = ThreadPoolExecutor(write_threads, "journal-write")
        self._files = ThreadPoolExecutor(file_threads, "journal-file")
        self._lag = lag_seconds
        self._next: deque[Call] = deque()

    def run(self, action: Callable[[], T]) -> T:
        """What the action returns or raises, for one that takes long: to open, to save."""
        loop = asyncio.get_running_loop()
        call = Call(action, loop)
        self._submit(self._files, Batch(deque([call]), loop))
        result: T = call.wait()
        return result

    def run_write(self, action: Callable[[], None]) -> None:
        """Run an action that is quick as a rule, together with others; raise what it raises."""
        loop = asyncio.get_running_loop()
        call = Call(action, loop)
        if not self._next:
            loop.call_soon(self._submit_next, loop)
        self._next.append(call)
        call.wait()

    def close(self) -> None:
        """End the threads as soon as they have nothing to do."""
        self._writes.shutdown(wait=False)
        self._files.shutdown(wait=False)

    def _submit_next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = Batch(self._next, loop)
        self._next = deque()
        self._submit(self._writes, batch)
        self._watch(batch)

    def _watch(self, batch: Batch) -> None:
        batch.timer = batch.loop.call_later(self._lag, self._relieve, batch)

    def _relieve(self, batch: Batch) -> None:
        """The batch takes long: give what it has not begun to another thread."""
        if rest := batch.take_rest():
            following = Batch(rest, batch.loop)
            self._submit(self._writes, following)
            self._watch(following)

    def _submit(self, threads: ThreadPoolExecutor, batch: Batch) -> None:
        threads.submit(batch.run)
