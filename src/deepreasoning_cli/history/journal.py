"""Each event of a running turn is in a file before any view shows it.

The file is locked while its turn runs, append-only, and on the disk within a second.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from deepreasoning_cli.errors import DeepReasoningError, out_of_resources
from deepreasoning_cli.files import make_private_folder, sync_folder
from deepreasoning_cli.greenlets import BLOCKING, Runtime
from deepreasoning_cli.history import journal_format
from deepreasoning_cli.history.journal_format import FOLDER, SUFFIX, TurnClosed, TurnOutcome, Warn
from deepreasoning_cli.history.locks import NEW_FILE, close_and_remove, create_private, try_lock
from deepreasoning_cli.pipeline.events import (
    Event,
    ProbeStarted,
    StageFinished,
    StageStarted,
    TurnStarted,
)
from deepreasoning_cli.pipeline.record import TurnRecord

SYNC_SECONDS: Final = 1.0
SYNC_THREADS: Final = 8
STAGE_BORDERS: Final = (StageStarted, StageFinished)


class Disk:
    """The system calls of a journal that may wait for a disk. Each raises OSError."""

    def create(self, path: Path) -> int:
        """Create the file, which must not exist; its descriptor."""
        make_private_folder(path.parent)
        return create_private(path, NEW_FILE)

    def write(self, descriptor: int, data: bytes) -> int:
        """Hand a part of `data` to the system; how many bytes it took."""
        return os.write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        """Wait until the disk has the file."""
        os.fsync(descriptor)


DISK = Disk()


class JournalFile:
    """Lines at the end of a new file, 0600, whose lock says that its process is alive.

    Files may share a `syncer`; a file without one has its own. Every call may raise OSError.
    """

    def __init__(self, path: Path, syncer: Syncer | None = None, disk: Disk = DISK) -> None:
        self.path = path
        self.unsynced = False
        self._disk = disk
        self._fault: OSError | None = None
        self._descriptor = disk.create(path)
        with suppress(OSError):  # without locks the file still keeps the text
            try_lock(self._descriptor)
        self._syncer = syncer or Syncer()
        self._syncer.add(self)

    def append(self, line: bytes) -> None:
        """Hand the line to the system, whole: from then on no crash of ours can lose it."""
        if self._fault:
            raise self._fault
        written = self._disk.write(self._descriptor, line)
        while written < len(line):  # a disk that is filling up takes a part
            written += self._disk.write(self._descriptor, line[written:])
        self.unsynced = True

    def sync(self) -> None:
        """Wait until the disk has it."""
        self.unsynced = False
        self._disk.sync(self._descriptor)

    def sync_soon(self) -> None:
        """Have it put on the disk now, without waiting; the next call raises what went wrong."""
        if not self._syncer.request(self):
            self.sync()

    def sync_in_background(self) -> None:
        """Wait until the disk has it; the next `append` raises what went wrong."""
        try:
            self.sync()
        except OSError as exc:
            self._fault = exc

    def close(self, *, remove: bool) -> None:
        """Give the lock back; the file stays for the next start, or is gone."""
        self._syncer.remove(self)
        if remove:
            close_and_remove(self._descriptor, self.path)
        else:
            os.close(self._descriptor)


class Syncer:
    """Puts new text of open journals on the disk every `seconds`, also when no more text comes.

    One serves a process. A single open file has a single thread. With more files a further thread
    starts when all others wait for the disk, up to `threads`: files are synced side by side, and
    one that hangs holds up no other. The threads end with the last file.
    """

    def __init__(self, seconds: float = SYNC_SECONDS, threads: int = SYNC_THREADS) -> None:
        self._seconds = seconds
        self._max_threads = threads
        self._changed = threading.Condition()
        self._open: set[JournalFile] = set()
        self._due: deque[JournalFile] = deque()
        self._syncing: dict[JournalFile, float] = {}
        self._oldest: float | None = None
        self._next = 0.0
        self._threads = 0
        self._idle = 0

    def add(self, file: JournalFile) -> None:
        """Sync the file from now on."""
        with self._changed:
            self._open.add(file)
            if not self._threads:
                self._next = time.monotonic() + self._seconds
            self._start_thread()

    def request(self, file: JournalFile) -> bool:
        """Sync the file now; False where the system gives no thread to do it."""
        with self._changed:
            if not self._threads:
                return False
            if file not in self._due:
                self._due.append(file)
            self._changed.notify_all()
            return True

    def remove(self, file: JournalFile) -> None:
        """Leave the file alone; wait until a sync that runs has ended."""
        with self._changed:
            self._open.discard(file)
            if file in self._due:
                self._due.remove(file)
            self._changed.notify_all()
            while file in self._syncing:
                self._changed.wait()

    def is_lagging(self, seconds: float) -> bool:
        """Whether a sync has been waiting for the disk for so long."""
        oldest = self._oldest
        return oldest is not None and time.monotonic() - oldest > seconds

    def _start_thread(self) -> None:
        """Start one where nobody waits for the next file to sync."""
        if self._idle or self._threads == self._max_threads:
            return
        with suppress(RuntimeError):  # no thread to be had: files are synced at stage borders alone
            threading.Thread(target=self._run, name="journal-sync", daemon=True).start()
            self._threads += 1

    def _run(self) -> None:
        while file := self._take():
            file.sync_in_background()
            with self._changed:
                del self._syncing[file]
                self._oldest = next(iter(self._syncing.values()), None)
                self._changed.notify_all()

    def _take(self) -> JournalFile | None:
        """The next file to sync, as soon as there is one; None when no file is open."""
        with self._changed:
            while self._open:
                if file := self._next_due():
                    self._syncing[file] = time.monotonic()
                    self._oldest = next(iter(self._syncing.values()))
                    if len(self._open) > 1:
                        self._start_thread()
                    return file
                self._idle += 1
                self._changed.wait(max(0.0, self._next - time.monotonic()))
                self._idle -= 1
                self._add_due()
            self._threads -= 1
            return None

    def _next_due(self) -> JournalFile | None:
        for file in self._due:
            if file not in self._syncing:
                self._due.remove(file)
                return file
        return None

    def _add_due(self) -> None:
        """Add every file with new text, once in `seconds`."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            self._due.extend(file for file in self._open if file.unsynced and file not in self._due)


class Journal:
    """Writes a turn to its file while it runs, and to the store when it ends.

    It is the keeper of a `ViewGroup`, with that group's record. `folder` is the data folder. A
    fault costs the journal, never the answer: `warn` is called once, and the turn goes on in
    memory.

    Two functions call what may wait for a disk, and return when it has ended:
    `runtime.run_blocking` opens and closes, `run_append` adds a line. `saving` is held while the
    turn goes into the store: many turns of a process that share a lock save one after the other,
    where SQLite would have them try again and again until one is out of time.
    """

    def __init__(
        self,
        folder: Path,
        record: TurnRecord,
        warn: Warn,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        runtime: Runtime = BLOCKING,
        open_file: Callable[[Path], JournalFile] = JournalFile,
        run_append: Callable[[Callable[[], None]], None] = BLOCKING.run_blocking,
        saving: AbstractContextManager[object] | None = None,
    ) -> None:
        self._saving = saving or nullcontext()
        self._folder = folder
        self._record = record
        self._warn = warn
        self._clock = clock
        self._now = now
        self._runtime = runtime
        self._open_file = open_file
        self._run_append = run_append
        self._file: JournalFile | None = None
        self._whole = False
        self._saved = False
        self._began_at = 0.0
        self._began: datetime | None = None
        self._starts: list[StageStarted] = []
        self._finished: list[StageFinished] = []

    @property
    def is_complete(self) -> bool:
        """Whether all that came is on the disk, in the journal or already in the store."""
        return self._whole or self._saved

    def __call__(self, event: Event) -> None:
        """Write the event's line."""
        if isinstance(event, TurnStarted):
            self._runtime.run_blocking(partial(self._open, event))
            return
        if isinstance(event, StageStarted):
            self._starts.append(event)
        elif isinstance(event, ProbeStarted):
            self._starts.append(event.start)
        elif isinstance(event, StageFinished):
            self._finished.append(event)
        if not self._whole or self._file is None:
            return
        try:
            self._run_append(partial(self._file.append, self._line(event)))
            if isinstance(event, STAGE_BORDERS):
                self._file.sync_soon()
        except OSError as exc:
            self._stop(exc)

    def close(self, failure: BaseException | None) -> None:
        """Save the turn in the store and remove the file; where that fails, the file stays."""
        if self._began is not None:
            self._runtime.run_blocking(partial(self._close, failure, self._began))

    def _open(self, event: TurnStarted) -> None:
        self._began_at = self._clock()
        self._began = self._now()
        try:
            self._file = self._open_file(self._folder / FOLDER / f"{event.id}{SUFFIX}")
            self._whole = True
            self._file.append(journal_format.event_line(event, 0.0, self._began))
            self._file.sync()
            sync_folder(self._file.path.parent)  # the file's name is to be on the disk too
        except OSError as exc:
            self._stop(exc)

    def _close(self, failure: BaseException | None, began: datetime) -> None:
        outcome = journal_format.outcome_of(self._record, failure)
        self._write_end(outcome)
        try:
            from deepreasoning_cli.history.store import Store

            with self._saving, Store.open(self._folder, self._warn) as store:
                store.save(self._record, began=began, outcome=outcome, starts=self._starts)
            self._saved = True
        except BaseException as exc:
            self._sync_end()
            error = exc if isinstance(exc, DeepReasoningError) else out_of_resources(exc)
            if error is None:
                raise
            if self._file:  # else it was said at the start
                part = "" if self._whole else ", as far as it could be written"
                self._warn(f"{error.message}; this turn is in {self._file.path}{part}")
        finally:  # also where it is interrupted: the file is whole, and free for the next start
            if self._file:
                with suppress(OSError):  # a file that stays is recovered, with the same content
                    self._file.close(remove=self._saved)

    def _write_end(self, outcome: TurnOutcome) -> None:
        """All that the record has, so that a turn saved later is the same as one saved now."""
        if not self._whole or self._file is None:
            return
        record = self._record
        closed = TurnClosed(
            ending=outcome,
            complete=record.complete,
            first_reasoning=record.first_reasoning,
            first_answer=record.first_answer,
            total=record.total,
        )
        broken_off = (stage for stage in record.stages.values() if stage not in self._finished)
        try:
            self._file.append(b"".join([*map(self._line, broken_off), self._line(closed)]))
        except OSError as exc:
            self._stop(exc)

    def _sync_end(self) -> None:
        """Put the end on the disk: the store, which does so itself, did not take the turn."""
        if self._whole and self._file:
            try:
                self._file.sync()
            except OSError as exc:
                self._stop(exc)

    def _line(self, event: Event | TurnClosed) -> bytes:
        return journal_format.event_line(event, self._clock() - self._began_at)

    def _stop(self, fault: OSError) -> None:
        self._whole = False
        until = "until it is in the history " if self._file else ""
        self._warn(
            f"cannot write the journal in {self._folder}: {fault.strerror or fault};"
            f" {until}this turn is in memory only"
        )
