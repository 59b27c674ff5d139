"""A broken database is set aside, and what can be read of it goes into the new one.

No number in a damaged file is believed: the work is bounded by the file's size, and the turns get
new numbers, in the same order.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from deepreasoning_cli.files import PRIVATE
from deepreasoning_cli.history.decoder import DAMAGE
from deepreasoning_cli.history.mapping import LARGEST, insert, read_turn
from deepreasoning_cli.history.queries import as_summary
from deepreasoning_cli.history.schema import begin, has_whole_schema, migrate, text_of

BESIDE: Final = ("-wal", "-shm", "-journal")
CORRUPT: Final = ".corrupt-"
SMALLEST_PAGE: Final = 512  # bytes; https://www.sqlite.org/fileformat.html#the_database_header
PAGE_SIZE: Final = 4096  # bytes; of every database that this program makes
PATCHED: Final = "history.patched"
NEXT: Final = 64  # numbers that are tried one by one behind damage; a page holds fewer turns
INDEXES: Final = (
    "SELECT seq FROM turns INDEXED BY sqlite_autoindex_turns_1 ORDER BY id",
    "SELECT seq FROM turns INDEXED BY sqlite_autoindex_turns_1 ORDER BY id DESC",
    "SELECT seq FROM turns INDEXED BY turns_by_session ORDER BY session, place",
    "SELECT seq FROM turns INDEXED BY turns_by_session ORDER BY session DESC, place DESC",
)
"""Where else the numbers of turns stand, read from both ends up to the damage."""
UNREADABLE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""The latter where a damaged name is quoted."""
FROM_START: Final = "SELECT seq FROM turns NOT INDEXED WHERE seq >= ? ORDER BY seq"


def has_sound_header(path: Path) -> bool:
    """Whether no byte says that this version cannot write the file, or reads other letters in it.

    SQLite opens such a file, and refuses each change; https://www.sqlite.org/fileformat.html.
    """
    with path.open("rb") as file:
        header = file.read(100)
    formats = {header[18:19], header[19:20]} <= {b"\1", b"\2"}
    letters = header[44:48] <= b"\0\0\0\4" and header[56:60] == b"\0\0\0\1"  # UTF-8
    return formats and header[20:21] == b"\0" and letters


@contextmanager
def nobody_writes(path: Path, timeout: float) -> Iterator[None]:
    """Keep other processes from writing, as far as the damaged file can still be locked."""
    guard = None
    with suppress(sqlite3.DatabaseError, OSError):
        guard = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=timeout)
        guard.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        if guard:
            guard.close()


def set_aside(path: Path) -> Path:
    """Rename the database and what belongs to it; return its new name. Raises OSError.

    The log goes first: were it left behind, SQLite would play it into the new database.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = _free(path.with_name(f"{path.name}{CORRUPT}{stamp}"))
    for suffix in BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(aside.with_name(aside.name + suffix))
    with suppress(FileNotFoundError):  # a process died between this and the next name
        path.rename(aside)
    return aside


def _free(path: Path) -> Path:
    number = 1
    while path.exists():
        number += 1
        path = path.with_name(f"{path.name.split('~')[0]}~{number}")
    return path


def salvage(broken: Path, connection: sqlite3.Connection) -> int:
    """Copy every turn that can still be read from `broken`; return how many that were.

    Where the first page is damaged, which says what the tables are and where they begin, that of a
    new database stands in for it: theirs begin at the same places. Raises sqlite3.Error for faults
    of `connection`, OSError where a copy cannot be made: what was not looked at is not given up.
    """
    if not broken.exists():  # it was taken away after a repair that was broken off
        return 0
    if _has_sound_first_page(broken) and (saved := _salvage(broken, connection)):
        return saved
    patched = broken.with_name(PATCHED)
    try:
        _put_first_page(broken, patched)
        saved = _salvage(patched, connection)
    finally:
        for suffix in ("", *BESIDE):
            with suppress(OSError):  # the next repair writes over it
                patched.with_name(PATCHED + suffix).unlink(missing_ok=True)
    return saved + _salvage(broken, connection)  # its log may have turns that are not in the file


def _has_sound_first_page(broken: Path) -> bool:
    with closing(_source(broken)) as source, suppress(*UNREADABLE):
        return has_whole_schema(source)
    return False


def _put_first_page(broken: Path, patched: Path) -> None:
    """Copy the file, with the first page of a new database that is as long. Raises OSError.

    https://www.sqlite.org/fileformat.html#the_database_header
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as new:
        migrate(new)
        page = bytearray(new.serialize()[:PAGE_SIZE])
    page[18:20] = b"\1\1"  # no log: it goes by the old first page
    page[28:32] = (broken.stat().st_size // PAGE_SIZE).to_bytes(4)
    page[32:40] = bytes(8)  # no free pages
    with broken.open("rb") as source, patched.open("wb") as target:
        patched.chmod(PRIVATE)
        source.seek(PAGE_SIZE)
        target.write(page)
        shutil.copyfileobj(source, target)


def _salvage(broken: Path, connection: sqlite3.Connection) -> int:
    pages = sum(path.stat().st_size for path in _files(broken)) // SMALLEST_PAGE + 1
    with closing(_source(broken)) as source, begin(connection, "IMMEDIATE"):
        connection.row_factory = sqlite3.Row
        saved = [seq for seq in _numbers(source, pages) if _save_turn(source, connection, seq)]
        _save_forks(source, connection, saved)
        return len(saved)


def _source(broken: Path) -> sqlite3.Connection:
    source = sqlite3.connect(f"{broken.resolve().as_uri()}?mode=ro", uri=True)
    source.row_factory = sqlite3.Row
    source.text_factory = text_of
    return source


def _files(broken: Path) -> list[Path]:
    log = broken.with_name(broken.name + BESIDE[0])
    return [broken, log] if log.exists() else [broken]


def _numbers(source: sqlite3.Connection, pages: int) -> list[int]:
    """The numbers of turns in order: what the indexes and the readable parts of the table say."""
    numbers = {row["seq"] for query in INDEXES for row in _rows(source, query)}
    start: int | None = 1
    for _ in range(pages):  # each time behind another damaged page
        if start is None:
            break
        last = start - 1
        try:
            for row in source.execute(FROM_START, (start,)):
                last = row["seq"]
                numbers.add(last)
        except UNREADABLE:
            start = _behind_damage(source, max(start, last + 1))
        else:
            break
    return sorted(numbers)


def _behind_damage(source: sqlite3.Connection, start: int) -> int | None:
    """The first number above `start` from which the table can be read again, None for none.

    The next ones are tried each, then steps that double; so it takes at most some 200 queries.
    """
    fails = start
    steps: list[int] = [*range(1, NEXT), *(NEXT << doubled for doubled in range(58))]
    for reads in (start + step for step in steps):
        if reads > LARGEST:
            return None
        if _can_read(source, reads):
            break
        fails = reads
    between = range(fails + 1, reads)
    return fails + 1 + bisect_left(between, True, key=partial(_can_read, source))


def _can_read(source: sqlite3.Connection, start: int) -> bool:
    try:
        source.execute(f"{FROM_START} LIMIT 1", (start,)).fetchone()
    except UNREADABLE:
        return False
    return True


def _save_turn(source: sqlite3.Connection, connection: sqlite3.Connection, seq: int) -> bool:
    """Copy the turn and its stages; False for one that is gone, or that cannot be shown."""
    turn = next(_rows(source, "SELECT * FROM turns WHERE seq = ?", seq), None)
    if turn is None:
        return False
    connection.execute("SAVEPOINT turn")
    try:
        new = _insert(connection, "turns", {**dict(turn), "seq": None})
        for stage in _rows(source, "SELECT * FROM stages WHERE turn = ?", seq):
            with suppress(sqlite3.IntegrityError, TypeError):
                _insert(connection, "stages", {**dict(stage), "turn": new})
        row = connection.execute("SELECT * FROM turns WHERE seq = ?", (new,)).fetchone()
        as_summary(row)
        read_turn(connection, row)
    except (sqlite3.IntegrityError, *DAMAGE):
        connection.execute("ROLLBACK TO turn")
        return False
    connection.execute("RELEASE turn")
    return True


def _save_forks(
    source: sqlite3.Connection, connection: sqlite3.Connection, saved: list[int]
) -> None:
    """Copy the forks; the last turn that a fork shares gets its new number."""
    for fork in _rows(source, "SELECT * FROM forks"):
        with suppress(sqlite3.IntegrityError, *DAMAGE):
            last = bisect_right(saved, fork["last"])
            _insert(connection, "forks", {**dict(fork), "last": last})


def _rows(source: sqlite3.Connection, query: str, *values: int) -> Iterator[sqlite3.Row]:
    """Rows until the damage begins."""
    with suppress(*UNREADABLE):
        yield from source.execute(query, values)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Any]) -> int | None:
    """Insert the columns that this version knows; return the new row's number.

    Raises TypeError for bytes, which one column alone holds.
    """
    if any(isinstance(row[name], bytes) for name in row if name != "reasoning_rest"):
        raise TypeError("bytes in the place of a text")
    columns = {each["name"] for each in connection.execute(f"PRAGMA table_info({table})")}
    return insert(connection, table, {name: row[name] for name in row if name in columns})
