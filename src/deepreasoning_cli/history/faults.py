"""SQLite's and the system's refusals, in words and with an exit code."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    UnavailableError,
    WriteError,
)

BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
NO_ROOM = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_TOOBIG})
ELSEWHERE = "DEEPREASONING_DATA_DIR names another place"


def code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; https://www.sqlite.org/rescode.html."""
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


def is_broken(error: sqlite3.Error) -> bool:
    """Whether the file itself is damaged, or no database at all."""
    return code(error) in BROKEN


def as_failure(error: sqlite3.Error | OSError, path: Path) -> DeepReasoningError:
    """What the user is told about a database that cannot be used."""
    if isinstance(error, TimeoutError) or (
        isinstance(error, sqlite3.Error) and code(error) in BUSY
    ):
        return UnavailableError(
            f"another process keeps {path} locked", kind="history_locked", hint="try again later"
        )
    if isinstance(error, OSError):
        return ConfigError(
            f"cannot use {path}: {error.strerror or error}", kind="history_unusable", hint=ELSEWHERE
        )
    if code(error) in NO_ROOM:
        return WriteError(f"cannot write {path}: {error}", kind="history_full", hint="make room")
    if is_broken(error):
        return ConfigError(f"{path} is damaged: {error}", kind="history_damaged")
    return ConfigError(f"cannot use {path}: {error}", kind="history_unusable", hint=ELSEWHERE)
