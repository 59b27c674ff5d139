"""Whole files or none: written aside, synced, put in place in one step."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from deepreasoning_cli.errors import WriteError

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
PAGE = 4096  # bytes; a full disk has no room for so many
PASS_THROUGH = ("/dev/fd/", "/dev/stdout", "/dev/stderr", "/proc/")  # names of open streams
NEW = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)


def read_regular(path: Path) -> str:
    """The text of a file. Raises OSError also for a pipe or a device, which may never end."""
    if not path.is_file():
        raise OSError(errno.EINVAL, "is no file", str(path))
    return path.read_text("utf-8")


def is_first_today(stamp: Path) -> bool:
    """Whether `stamp` does not hold today's date yet (UTC); then it is written, if it can be."""
    today = datetime.now(UTC).date().isoformat()
    with contextlib.suppress(OSError, ValueError):
        if stamp.read_text("ascii") == today:
            return False
    with contextlib.suppress(WriteError):
        write_atomically(stamp, today)
    return True


def write_atomically(
    path: Path, text: str, mode: int | None = PRIVATE, *, synced: bool = True
) -> None:
    """Put `text` (UTF-8, line ends as they are) at `path`, so that readers see all or nothing.

    With a `mode` the file gets exactly that, whatever the umask, and missing folders are made
    with 0700. With None an existing file keeps its mode, a new one honours the umask, and a
    missing folder is an error. A link stays: its target is replaced. Devices and pipes are
    written to, never replaced. What is not `synced` may be lost with the power. Raises WriteError
    with the path and the system's reason.
    """
    data = text.encode("utf-8", "replace")
    try:
        if mode is not None:
            make_private_folder(path.parent)
        before = None
        with contextlib.suppress(FileNotFoundError):
            before = path.stat()
        if before and _is_stream(path, before):
            path.write_bytes(data)
            return
        if before and mode is None:
            mode = stat.S_IMODE(before.st_mode)
        _replace(path.resolve(), data, mode, synced=synced)
    except (OSError, RuntimeError, ValueError) as exc:
        raise _write_error(path, exc, "make room, or name another place") from exc


def _write_error(path: Path, failure: Exception, hint: str) -> WriteError:
    """The error for a failure; RuntimeError is a loop of links, ValueError a NUL in the name."""
    reason = getattr(failure, "strerror", None) or "the name is not usable"
    return WriteError(f"cannot write {path}: {reason}", hint=hint)


def check_writable(path: Path) -> None:
    """Raise WriteError where `write_atomically(path, …, mode=None)` would fail, as far as is seen.

    A file of a page is written beside it and removed: a full or read-only disk is found so. A
    device or a pipe is only asked for the right to write, since opening one may wait or act.
    """
    try:
        before = None
        with contextlib.suppress(FileNotFoundError):
            before = path.stat()
        if before and stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if before and _is_stream(path, before):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        with _written_aside(path.resolve(), b"\0" * PAGE, None):
            pass
    except (OSError, RuntimeError, ValueError) as exc:
        raise _write_error(path, exc, "name another place; nothing was sent") from exc


def make_private_folder(path: Path) -> None:
    """Create `path` and its missing parents with 0700; what exists is left alone."""
    if path.is_dir():
        return
    make_private_folder(path.parent)
    with contextlib.suppress(FileExistsError):  # another process was faster
        path.mkdir(PRIVATE_FOLDER)
        if os.name == "posix":
            path.chmod(PRIVATE_FOLDER)  # a umask may have taken the owner's own rights


def tighten(path: Path) -> bool:
    """Take a file away from group and others; True if it was open to them. Raises OSError."""
    if os.name != "posix" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
        return False
    path.chmod(PRIVATE)
    return True


def close_to_others(*paths: Path) -> bool:
    """Take these files and folders away from group and others; whether any was open to them.

    What is not there, or not the user's to change, is left alone.
    """
    was_open = False
    for path in paths:
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if os.name == "posix" and mode & 0o077:
                path.chmod(mode & 0o700)
                was_open = True
    return was_open


def _is_stream(path: Path, before: os.stat_result) -> bool:
    """Whether the name stands for something that takes text but cannot be replaced by a file."""
    return not stat.S_ISREG(before.st_mode) or path.as_posix().startswith(PASS_THROUGH)


def _replace(target: Path, data: bytes, mode: int | None, *, synced: bool) -> None:
    with _written_aside(target, data, mode, synced=synced) as aside:
        aside.replace(target)
    if synced:
        sync_folder(target.parent)


@contextlib.contextmanager
def _written_aside(
    target: Path, data: bytes, mode: int | None, *, synced: bool = False
) -> Iterator[Path]:
    """A new file with `data` beside the target; it is gone afterwards, unless it is renamed."""
    aside = target.with_name(f".{secrets.token_hex(8)}.tmp")
    descriptor = os.open(aside, NEW, 0o666 if mode is None else PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None and os.name == "posix":
                os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            if synced:
                os.fsync(descriptor)
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the new name outlive a power cut, where the system can."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # some network file systems refuse it; the text is safe
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def format_size(size: int) -> str:
    """A number of bytes: `21 bytes`, `4.1 kB`, `2.0 MB`."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:.1f} MB"
