"""A broken database is set aside, and what can be read of it goes into the new one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

BESIDE = ("-wal", "-shm", "-journal")
CORRUPT = ".corrupt-"
NUMBERS = (
    "SELECT seq FROM turns ORDER BY seq",
    "SELECT seq FROM turns ORDER BY seq DESC",
    "SELECT seq FROM sqlite_sequence WHERE name = 'turns'",
)


def set_aside(path: Path) -> Path:
    """Rename the database and what belongs to it; return its new name. Raises OSError.

    The log goes first: were it left behind, SQLite would play it into the new database.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = _free(path.with_name(f"{path.name}{CORRUPT}{stamp}"))
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    path.rename(aside)
    return aside


def _free(path: Path) -> Path:
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.name.split('~')[0]}~{number}")
    return path


def salvage(broken: Path, connection: sqlite3.Connection) -> int:
    """Copy every row that can still be read from `broken`; return how many turns that were.

    Raises sqlite3.Error for faults of `connection` alone.
    """
    try:
        source = sqlite3.connect(f"{broken.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        return 0
    with closing(source):
        source.row_factory = sqlite3.Row
        connection.execute("BEGIN IMMEDIATE")
        saved = 0
        for seq in _numbers(source):
            turns = list(_rows(source, "SELECT * FROM turns WHERE seq = ?", seq))
            saved += _copy(connection, "turns", turns)
            stages = _rows(source, "SELECT * FROM stages WHERE turn = ?", seq)
            _copy(connection, "stages", stages if turns else ())
        _copy(connection, "forks", _rows(source, "SELECT * FROM forks"))
        connection.execute("COMMIT")
        return saved


def _numbers(source: sqlite3.Connection) -> range:
    """The numbers that turns may have: from both ends, as far as the damage lets one see."""
    seen = [0]
    for query in NUMBERS:
        seen += [row[0] for row in _rows(source, query)]
    return range(1, max(seen) + 1)


def _rows(source: sqlite3.Connection, query: str, *values: int) -> Iterator[sqlite3.Row]:
    """Rows until the damage begins."""
    with suppress(sqlite3.DatabaseError):
        yield from source.execute(query, values)


def _copy(connection: sqlite3.Connection, table: str, rows: Iterable[sqlite3.Row]) -> int:
    """Insert the columns that this version knows; a row that breaks its rules is left out."""
    known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    copied = 0
    for row in rows:
        columns = [name for name in row.keys() if name in known]  # noqa: SIM118 - iterates values
        marks = ", ".join("?" * len(columns))
        names = ", ".join(columns)
        with suppress(sqlite3.IntegrityError):
            connection.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608 - our own names
                [row[name] for name in columns],
            )
            copied += 1
    return copied
