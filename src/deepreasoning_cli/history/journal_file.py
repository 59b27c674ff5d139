"""The file of one running turn: locked, append-only, on the disk within a second."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deepreasoning_cli.files import PRIVATE, make_private_folder, sync_folder
from deepreasoning_cli.history.locks import close_and_remove, try_lock

Warn = Callable[[str], None]
FOLDER = "journal"
SUFFIX = ".jsonl"
SYNC_SECONDS = 1.0
SYNC_THREADS = 8
NEW = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


def orphaned_journals(folder: Path) -> list[Path]:
    """The journals in the data folder, of dead and of living processes, oldest first."""
    try:
        return sorted((folder / FOLDER).glob(f"*{SUFFIX}"))
    except OSError:
        return []


class Disk:
    """The system calls of a journal that may wait for a disk. Each raises OSError."""

    def create(self, path: Path) -> int:
        """Create the file, which must not exist; its descriptor."""
        make_private_folder(path.parent)
        return os.open(path, NEW, PRIVATE)

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
        try:
            if os.name == "posix":
                os.fchmod(self._descriptor, PRIVATE)
            with suppress(OSError):  # without locks the file still keeps the text
                try_lock(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
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

    def sync_name(self) -> None:
        """Wait until the disk has the file's name too."""
        sync_folder(self.path.parent)

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
