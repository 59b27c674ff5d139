"""What is deleted is gone from the files too."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from deepreasoning_cli.history.locks import close_and_remove, try_lock_path
from deepreasoning_cli.history.salvage import CORRUPT

ORPHANED_FORKS: Final = (
    "DELETE FROM forks WHERE origin NOT IN (SELECT session FROM forks)"
    " AND NOT EXISTS (SELECT 1 FROM turns WHERE turns.session = forks.origin)"
)


def delete(connection: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Delete the turns and what only they needed; return how many there were."""
    before = connection.total_changes
    connection.executemany("DELETE FROM turns WHERE id = ?", [(each,) for each in ids])
    if connection.total_changes == before:
        return 0
    while connection.execute(ORPHANED_FORKS).rowcount > 0:
        continue  # a fork of that fork may have lost its root with it
    connection.execute("INSERT INTO words (words) VALUES ('rebuild')")
    return len(ids)


def vacuum(connection: sqlite3.Connection) -> bool:
    """Write the files anew without what was deleted; False where another process reads them."""
    connection.execute("VACUUM")
    (busy, *_rest) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def damaged_copies(folder: Path) -> list[Path]:
    """Broken databases that were set aside: they may hold what is deleted here."""
    return sorted(folder.glob(f"*{CORRUPT}*"))


def remove_journals(folder: Path, prefixes: Sequence[str]) -> None:
    """Remove the journals with these prefixes, except those of running processes."""
    for path in folder.glob("*"):
        if path.name.startswith(tuple(prefixes)):
            with suppress(OSError):
                descriptor = try_lock_path(path, create=False)
                if descriptor is not None:
                    close_and_remove(descriptor, path)
