"""The file of one running turn: locked, append-only, on the disk within a second."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from deepreasoning_cli.files import PRIVATE, make_private_folder, sync_folder
from deepreasoning_cli.history.locks import close_and_remove, try_lock

SYNC_SECONDS = 1.0
NEW = (
    os.O_RDWR
    | os.O_CREAT
    | os.O_EXCL
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)


class JournalFile:
    """Lines at the end of a new file, 0600, whose lock says that its process is alive.

    Every call may raise OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        make_private_folder(path.parent)
        self._descriptor = os.open(path, NEW, PRIVATE)
        try:
            if os.name == "posix":
                os.fchmod(self._descriptor, PRIVATE)
            with suppress(OSError):  # without locks the file still keeps the text
                try_lock(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._unsynced = False
        self._fault: OSError | None = None
        self._over = False
        self._asked = threading.Event()
        self._syncer = threading.Thread(target=self._sync_each_second, daemon=True)
        with suppress(RuntimeError):  # no thread to be had: it is synced at stage borders alone
            self._syncer.start()

    def append(self, line: bytes) -> None:
        """Hand the line to the system, whole: from then on no crash of ours can lose it."""
        if self._fault:
            raise self._fault
        written = os.write(self._descriptor, line)
        while written < len(line):  # a disk that is filling up takes a part
            written += os.write(self._descriptor, line[written:])
        self._unsynced = True

    def sync(self) -> None:
        """Wait until the disk has it."""
        self._unsynced = False
        os.fsync(self._descriptor)

    def sync_soon(self) -> None:
        """Have it put on the disk now, without waiting; the next call raises what went wrong."""
        if self._syncer.is_alive():
            self._asked.set()
        else:
            self.sync()

    def sync_name(self) -> None:
        """Wait until the disk has the file's name too."""
        sync_folder(self.path.parent)

    def close(self, *, remove: bool) -> None:
        """Give the lock back; the file stays for the next start, or is gone."""
        self._over = True
        self._asked.set()
        if self._syncer.is_alive():
            self._syncer.join()
        if remove:
            close_and_remove(self._descriptor, self.path)
        else:
            os.close(self._descriptor)

    def _sync_each_second(self) -> None:
        """Beside the stream, so that text is safe within a second also when no more comes."""
        while not self._over:
            self._asked.wait(SYNC_SECONDS)
            self._asked.clear()
            if self._unsynced and not self._over:
                try:
                    self.sync()
                except OSError as exc:
                    self._fault = exc
                    return
