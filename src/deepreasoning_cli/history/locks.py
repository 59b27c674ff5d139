"""Locks on open files: they end with their process, however it ends."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deepreasoning_cli.files import PRIVATE

POLL_SECONDS: Final = 0.02
LOCKED_ELSEWHERE: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})
OPEN: Final = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
NEW_FILE: Final = OPEN | os.O_CREAT | os.O_EXCL | os.O_APPEND
LOCK_FILE: Final = OPEN | os.O_CREAT

if sys.platform == "win32":  # pragma: no cover - a Windows machine runs the same tests
    import msvcrt

    FAR = 1 << 40  # a lock keeps others from the bytes it covers: it lies beyond all text

    def _lock(descriptor: int) -> None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def try_lock(descriptor: int) -> bool:
    """Lock the open file for this process; False where another one holds it.

    Raises OSError where the file system knows no locks.
    """
    try:
        _lock(descriptor)
    except OSError as exc:
        if exc.errno in LOCKED_ELSEWHERE:
            return False
        raise
    return True


def create_private(path: Path, flags: int) -> int:
    """Open the file, made where there is none, for its owner alone. Raises OSError."""
    descriptor = os.open(path, flags, PRIVATE)
    try:
        if os.name == "posix":
            os.fchmod(descriptor, PRIVATE)  # whatever the umask
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def try_lock_path(path: Path, *, create: bool = True) -> int | None:
    """Open and lock the file; its descriptor, or None where another holds it. Raises OSError.

    Closing the descriptor gives the lock back.
    """
    while True:
        descriptor = create_private(path, LOCK_FILE) if create else os.open(path, OPEN)
        try:
            locked = try_lock(descriptor)
            if locked and not is_removed(descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not locked:
            return None  # else its last holder has just removed it


def close_and_remove(descriptor: int, path: Path) -> None:
    """Remove the locked file and give the lock back, so that nobody locks a file that is going.

    Windows removes no open file: there the lock goes first. Raises OSError, closed all the same.
    """
    try:
        if os.name == "posix":
            path.unlink()
    finally:
        os.close(descriptor)
    if os.name != "posix":  # pragma: no cover - see above
        path.unlink()


def is_removed(descriptor: int) -> bool:
    """Whether the open file has no name any more."""
    return os.fstat(descriptor).st_nlink == 0


@contextmanager
def hold(path: Path, timeout: float) -> Iterator[None]:
    """Lock the file at `path` within the `with`, after a wait of up to `timeout` seconds.

    Raises TimeoutError where another process keeps it, OSError where it cannot be locked at all.
    """
    until = time.monotonic() + timeout
    while (descriptor := try_lock_path(path)) is None:
        if time.monotonic() > until:
            raise TimeoutError(errno.ETIMEDOUT, "another process holds it", str(path))
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
