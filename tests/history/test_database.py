"""A database that is missing, broken, old, newer, locked or out of reach."""

from __future__ import annotations

import os
import random
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    UnavailableError,
    WriteError,
)
from deepreasoning_cli.history import database, recent, salvage, schema
from deepreasoning_cli.history.database import Database
from deepreasoning_cli.history.locks import hold
from deepreasoning_cli.history.schema import FIRST, MIGRATIONS, migrate, version
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.views.json import turn_object
from support.sample_turns import (
    OF_VERSION_1,
    fill_store,
    journal_turn,
    no_warning,
    open_store,
    record_of,
    turn_events,
)

SAVED = re.compile(r"the history was damaged: (\d+) turns were saved, the rest is in (.+)")
OTHER = "from elsewhere, and much longer than the header of a database, " * 40


def integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])


def reopened(folder: Path) -> tuple[list[str], list[str]]:
    """The ids of all turns after whatever repair was needed, and what was said about it."""
    warnings: list[str] = []
    with Store.open(folder, warnings.append) as store:
        for row in list(store.listing()):
            store.turn(row.id)
        return sorted(row.id for row in store.listing()), warnings


@pytest.mark.parametrize("content", ["", "x", OTHER, "SQLite format 3\0" + OTHER])
def test_what_is_no_database_is_set_aside_and_said_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "history.db").write_text(content)
    names, warnings = reopened(tmp_path)
    found = SAVED.fullmatch(warnings[0])
    assert (names, len(warnings)) == ([], 1)
    assert found
    aside = Path(found[2])
    assert (found[1], aside.read_text()) == ("0", content)
    assert re.fullmatch(r"history\.db\.corrupt-\d{8}T\d{6}Z", aside.name)
    record = journal_turn(tmp_path, turn_events(), warn=no_warning)
    with open_store(tmp_path) as store:
        assert turn_object(store.turn("turn1")) == turn_object(record)


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    for name in ("history.db", "recent"):
        make(tmp_path / name)
    with pytest.raises(ConfigError, match="is no file") as caught:
        open_store(tmp_path)
    assert caught.value.kind == "history_unusable"
    recent.remove_turns(tmp_path, ["turn1"])


def test_two_broken_databases_of_one_second_are_both_kept(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / "history.db").write_text(f"broken {number}")
        reopened(tmp_path)
    kept = sorted(path.read_text() for path in tmp_path.glob("history.db.corrupt-*"))
    assert kept == ["broken 0", "broken 1", "broken 2"]


@pytest.mark.parametrize("seed", range(12))
def test_what_can_be_read_of_a_damaged_database_is_saved(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "history.db"
    fill_store(tmp_path, 60, size=40)
    data = bytearray(path.read_bytes())
    pages = len(data) // 4096
    for page in chance.sample(range(1, pages), 3):
        data[page * 4096 : (page + 1) * 4096] = chance.randbytes(4096)
    path.write_bytes(data)
    before = {f"turn{number:04}" for number in range(1, 61)}
    names, warnings = reopened(tmp_path)
    assert set(names) <= before
    assert all(map(SAVED.fullmatch, warnings))
    assert len(names) >= 1 if warnings else set(names) == before
    journal_turn(tmp_path, turn_events("later"), warn=warnings.append)
    assert reopened(tmp_path)[0] == sorted([*names, "later"]) or len(warnings) > 1
    if warnings:
        assert integrity(path) == "ok"


def test_most_of_a_database_is_saved_from_one_lost_page(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    fill_store(tmp_path, 60, size=40)
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'turns_by_session'"
        (page,) = connection.execute(query).fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    warnings: list[str] = []
    journal_turn(tmp_path, turn_events("later", session="s"), warn=warnings.append)
    assert [SAVED.sub(r"\1", warning) for warning in warnings] == ["60"]
    assert len(reopened(tmp_path)[0]) == 61
    assert integrity(path) == "ok"


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_truncated_database_opens_with_what_is_left(tmp_path: Path, share: float) -> None:
    path = tmp_path / "history.db"
    fill_store(tmp_path, 60, size=40)
    size = path.stat().st_size
    os.truncate(path, int(size * share))
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        list(store.listing())
        store.search(["six"])
        store.save(record_of(turn_events("later")))
        assert store.turn("later").answer == "Forty-two."
    assert len(warnings) >= 1
    assert integrity(path) == "ok"


def test_a_fresh_database_is_whole_and_current(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert reopened(folder) == ([], [])
    assert sorted(path.name for path in folder.iterdir()) == ["history.db", "history.lock"]
    with closing(sqlite3.connect(folder / "history.db")) as connection:
        assert version(connection) == len(MIGRATIONS)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_log_of_a_lost_database_is_not_played_into_a_new_one(tmp_path: Path) -> None:
    fill_store(tmp_path, 3)
    copy = {}
    with open_store(tmp_path) as store:
        store.save(record_of(turn_events("another")))
        copy = {name: (tmp_path / name).read_bytes() for name in ("history.db-wal",)}
    (tmp_path / "history.db").unlink()
    for name, data in copy.items():
        (tmp_path / name).write_bytes(data)
    assert reopened(tmp_path) == ([], [])
    assert integrity(tmp_path / "history.db") == "ok"


def test_a_creation_that_was_broken_off_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "history.db.new").write_bytes(b"SQLite for")
    assert reopened(tmp_path) == ([], [])
    assert not (tmp_path / "history.db.new").exists()


def test_an_older_database_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_store(tmp_path, 2)
    newer = (*MIGRATIONS, ("ALTER TABLE turns ADD COLUMN starred INTEGER NOT NULL DEFAULT 0",))
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    monkeypatch.setattr(schema, "CHECKSUM", 0)
    monkeypatch.setattr(database, "migrate", lambda connection: migrate(connection, newer))
    with open_store(tmp_path) as store:
        assert [row.id for row in store.listing()] == ["turn0002", "turn0001"]
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert version(connection) == len(newer)
        assert connection.execute("SELECT starred FROM turns").fetchall() == [(0,), (0,)]


@pytest.mark.parametrize("writable", [True, False], ids=["migrated", "read-only"])
def test_a_database_of_the_first_version_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as connection:
        migrate(connection, (FIRST,))
        connection.execute(OF_VERSION_1)
    if not writable:
        monkeypatch.setattr(database, "_is_writable", lambda path: False)
    with open_store(tmp_path) as store:
        turn = store.turn("t1")
        assert (turn.answer, turn.earlier_cost, turn.start.resumes) == ("Beca", None, None)
        assert [row.id for row in store.listing()] == ["t1"]
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert version(connection) == (len(MIGRATIONS) if writable else 1)


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    fill_store(tmp_path, 2)
    steps = (*MIGRATIONS, ("ALTER TABLE turns ADD COLUMN starred INTEGER", "CREATE nonsense"))
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, steps)
        assert version(connection) == len(MIGRATIONS)
    assert reopened(tmp_path) == (["turn0001", "turn0002"], [])


def test_a_newer_database_is_read_and_not_changed(tmp_path: Path) -> None:
    fill_store(tmp_path, 2)
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE turns ADD COLUMN starred INTEGER NOT NULL DEFAULT 0")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = path.read_bytes()
    message = f"{path} was written by a newer version: it is read, and not changed"
    assert reopened(tmp_path) == (["turn0001", "turn0002"], [message])
    with Store.open(tmp_path, lambda _: None) as store:
        for change in (
            lambda: store.save(record_of(turn_events())),
            lambda: store.delete(["turn0001"]),
            store.delete_all,
        ):
            with pytest.raises(ConfigError) as caught:
                change()
            assert (caught.value.kind, caught.value.message) == ("history_newer", message)
        with store.claim("s"), store.claim("s") as second:
            assert (second.name, second.forked_from) == ("s", None)
    assert path.read_bytes() == before
    warnings: list[str] = []
    journal_turn(tmp_path, turn_events(), warn=warnings.append)
    assert warnings == [
        message,
        f"{message}; this turn is in {tmp_path / 'journal/turn1.jsonl'}",
    ]


def test_a_newer_database_with_other_tables_is_refused_as_newer(tmp_path: Path) -> None:
    fill_store(tmp_path, 1)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.execute("ALTER TABLE turns RENAME TO conversations")
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(ConfigError) as caught:
        open_store(tmp_path, lambda _: None)
    assert caught.value.kind == "history_newer"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield


def test_a_locked_database_is_waited_for_and_then_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_store(tmp_path, 1)
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.05)
    path = tmp_path / "history.db"
    with locked(path), open_store(tmp_path) as store:
        assert [row.id for row in store.listing()] == ["turn0001"]
        with pytest.raises(UnavailableError) as caught:
            store.save(record_of(turn_events()))
        assert caught.value.message == f"another process keeps {path} locked"
        assert caught.value.kind == "history_locked"
        warnings: list[str] = []
        journal_turn(tmp_path, turn_events(), warn=warnings.append)
        assert [warning.endswith("turn1.jsonl") for warning in warnings] == [True]


def test_a_database_without_log_that_is_locked_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_store(tmp_path, 1)
    path = tmp_path / "history.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.05)
    with locked(path), pytest.raises(UnavailableError) as caught:
        open_store(tmp_path)
    assert caught.value.kind == "history_locked"


def test_a_preparation_that_never_ends_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.05)
    with hold(tmp_path / "history.lock", 1.0), pytest.raises(UnavailableError) as caught:
        open_store(tmp_path)
    assert caught.value.kind == "history_locked"


def test_a_database_that_another_process_prepared_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_store(tmp_path / "other", 2)

    @contextmanager
    def made_meanwhile(path: Path, timeout: float) -> Iterator[None]:
        (tmp_path / "other/history.db").rename(tmp_path / "history.db")
        yield

    monkeypatch.setattr(database, "hold", made_meanwhile)
    assert reopened(tmp_path) == (["turn0001", "turn0002"], [])


def test_a_database_that_another_process_repaired_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_store(tmp_path / "other", 2)
    with open_store(tmp_path) as store:
        (tmp_path / "other/history.db").replace(tmp_path / "history.db")
        calls: list[int] = []

        def broken_once(connection: sqlite3.Connection) -> int:
            calls.append(1)
            if len(calls) == 1:
                error = sqlite3.DatabaseError("database disk image is malformed")
                error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise error
            row = connection.execute("SELECT count(*) FROM turns").fetchone()
            return int(row[0])

        assert store._database.read(broken_once) == 2


def test_damage_that_stays_is_an_error_with_words(tmp_path: Path) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    warnings: list[str] = []
    with closing(Database(tmp_path, warnings.append)) as opened, pytest.raises(ConfigError) as got:
        opened.read(broken)
    assert (got.value.kind, len(warnings)) == ("history_damaged", 1)


@pytest.fixture
def read_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nobody may write, the superuser of a test machine included."""
    folder = tmp_path / "data"
    fill_store(folder, 2)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    return folder


def test_a_read_only_history_is_read_and_not_changed(read_only: Path) -> None:
    with open_store(read_only) as store:
        assert [row.id for row in store.listing()] == ["turn0002", "turn0001"]
        with pytest.raises(ConfigError) as caught:
            store.save(record_of(turn_events()))
    assert caught.value.kind == "history_read_only"
    assert caught.value.message == f"{read_only / 'history.db'} is read-only"


def test_a_read_only_folder_without_a_history_says_so(read_only: Path) -> None:
    (read_only / "history.db").unlink()
    with pytest.raises(ConfigError) as caught:
        open_store(read_only)
    assert caught.value.kind == "history_unusable"


def test_where_shared_memory_cannot_be_made_the_history_is_read_without(
    read_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    class Refusing(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql.startswith("SELECT"):
                raise sqlite3.OperationalError("unable to open database file")
            return super().execute(sql, *values)

    def lazily(target: str, **options: Any) -> sqlite3.Connection:
        if "immutable" in target:
            return connect(target, **options)
        return connect(target, **options, factory=Refusing)

    monkeypatch.setattr(sqlite3, "connect", lazily)
    with open_store(read_only) as store:
        assert [row.id for row in store.listing()] == ["turn0002", "turn0001"]


def test_a_file_where_the_folder_should_be_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError) as caught:
        open_store(tmp_path / "data")
    assert (caught.value.kind, caught.value.hint) == (
        "history_unusable",
        "DEEPREASONING_DATA_DIR names another place",
    )


class NoWal(sqlite3.Connection):
    """A file system without shared memory: WAL cannot be had, nor read."""

    exclusive = False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql == "PRAGMA journal_mode = WAL":
            raise sqlite3.OperationalError("disk I/O error")
        if sql == "PRAGMA locking_mode = EXCLUSIVE":
            self.exclusive = True
        cursor = super().execute(sql, *values)
        if sql == "PRAGMA user_version" and not self.exclusive and self._is_wal():
            cursor.close()
            error = sqlite3.OperationalError("locking protocol")
            error.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
            raise error
        return cursor

    def _is_wal(self) -> bool:
        return bool(super().execute("PRAGMA journal_mode").fetchone()[0] == "wal")


@pytest.mark.parametrize("existing", [0, 2])
def test_where_wal_is_impossible_the_database_does_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: int
) -> None:
    if existing:
        fill_store(tmp_path, existing)
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **options: connect(*given, **options, factory=NoWal)
    )
    with open_store(tmp_path) as first, open_store(tmp_path) as second:
        first.save(record_of(turn_events("a")))
        second.save(record_of(turn_events("b")))
        assert len(list(first.listing())) == existing + 2
    monkeypatch.undo()
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize(
    ("code", "kind", "error"),
    [
        (sqlite3.SQLITE_FULL, "history_full", WriteError),
        (sqlite3.SQLITE_IOERR, "history_full", WriteError),
        (sqlite3.SQLITE_BUSY, "history_locked", UnavailableError),
        (sqlite3.SQLITE_READONLY, "history_unusable", ConfigError),
    ],
)
def test_a_refusal_of_sqlite_has_words_and_an_exit_code(
    tmp_path: Path, code: int, kind: str, error: type[DeepReasoningError]
) -> None:
    def refused(connection: sqlite3.Connection) -> None:
        failure = sqlite3.OperationalError("no")
        failure.sqlite_errorcode = code
        raise failure

    with closing(Database(tmp_path, no_warning)) as opened, pytest.raises(error) as caught:
        opened.read(refused)
    assert caught.value.kind == kind


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO forks VALUES ('a', 'b', 1)")
        raise KeyboardInterrupt

    with closing(Database(tmp_path, no_warning)) as opened:
        with pytest.raises(KeyboardInterrupt):
            opened.write(half)
        rows = opened.read(lambda connection: connection.execute("SELECT * FROM forks").fetchall())
    assert rows == []


def test_a_salvage_that_fails_leaves_the_old_history_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    path = tmp_path / "history.db"
    path.write_text("broken")
    monkeypatch.setattr(database, "salvage", full)
    warnings: list[str] = []
    with pytest.raises(WriteError):
        open_store(tmp_path, warnings.append)
    assert (path.read_text(), warnings) == ("broken", [])
    monkeypatch.undo()
    assert reopened(tmp_path)[0] == []


def test_a_row_that_breaks_the_rules_is_left_out_of_what_is_saved(tmp_path: Path) -> None:
    fill_store(tmp_path / "old", 3)
    broken = tmp_path / "old/history.db"
    with closing(sqlite3.connect(broken)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE turns SET status = 'odd' WHERE id = 'turn0002'")
        connection.commit()
    fill_store(tmp_path / "new", 0)
    with closing(sqlite3.connect(tmp_path / "new/history.db", isolation_level=None)) as target:
        assert salvage.salvage(broken, target) == 2
    assert reopened(tmp_path / "new") == (["turn0001", "turn0003"], [])


def salvaged(broken: Path, folder: Path) -> tuple[int, int]:
    """How many turns are saved from the file into a new history, and by how many queries."""
    queries = 0

    class Counting(sqlite3.Connection):
        def execute(self, *words: Any) -> sqlite3.Cursor:
            nonlocal queries
            queries += 1
            return super().execute(*words)

    fill_store(folder, 0)
    with closing(sqlite3.connect(folder / "history.db", isolation_level=None)) as target:
        connect = partial(sqlite3.connect, factory=Counting)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", connect)
            return salvage.salvage(broken, target), queries


def changed(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in ("PRAGMA ignore_check_constraints = ON", *statements):
            connection.execute(statement)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE sqlite_sequence SET seq = 1000000000000",
        "UPDATE turns SET seq = 9223372036854775807 WHERE id = 'turn0003'",
        "UPDATE turns SET seq = -5 WHERE id = 'turn0001'",
    ],
)
def test_no_number_of_a_damaged_file_is_counted_to_or_kept(tmp_path: Path, change: str) -> None:
    fill_store(tmp_path / "old", 3)
    broken = changed(tmp_path / "old/history.db", change)
    saved, queries = salvaged(broken, tmp_path / "new")
    assert (saved, queries < 50) == (3, True)
    with open_store(tmp_path / "new") as store:
        store.save(record_of(turn_events("later")))
    assert reopened(tmp_path / "new")[0] == ["later", "turn0001", "turn0002", "turn0003"]


def test_a_lost_page_below_a_huge_number_is_passed_in_few_queries(tmp_path: Path) -> None:
    fill_store(tmp_path / "old", 300)
    broken = changed(
        tmp_path / "old/history.db",
        "UPDATE turns SET seq = seq + 1000000000000 WHERE seq > 200",
        "UPDATE sqlite_sequence SET seq = 2000000000000",
    )
    content = bytearray(broken.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    leaf = content.index(b"turn0100") // size * size
    content[leaf : leaf + size] = b"\xff" * size
    broken.write_bytes(content)
    saved, queries = salvaged(broken, tmp_path / "new")
    assert 280 <= saved < 300
    assert queries < 300 * 3 + 1000


@pytest.mark.parametrize(
    "change",
    [
        "ending = 'odd'",
        "started = 'yesterday'",
        "cost = 'much'",
        "sources = '{'",
        "handoff = 'odd'",
        "backend = x'ff'",
    ],
)
def test_a_turn_that_could_never_be_shown_is_left_out(tmp_path: Path, change: str) -> None:
    fill_store(tmp_path / "old", 3)
    broken = changed(
        tmp_path / "old/history.db",
        f"UPDATE turns SET {change} WHERE id = 'turn0002'",
    )
    assert salvaged(broken, tmp_path / "new")[0] == 2
    assert reopened(tmp_path / "new")[0] == ["turn0001", "turn0003"]


def test_a_fork_keeps_its_place_when_turns_get_new_numbers(tmp_path: Path) -> None:
    fill_store(tmp_path / "old", 3)
    broken = changed(
        tmp_path / "old/history.db",
        "UPDATE turns SET seq = seq * 1000, session = 'talk', place = seq",
        "INSERT INTO forks VALUES ('other', 'talk', 2000), ('odd', 'talk', 'x')",
        "INSERT INTO forks VALUES ('a', 'b', 9000), ('b', 'a', 9000)",
    )
    assert salvaged(broken, tmp_path / "new")[0] == 3
    with open_store(tmp_path / "new") as store:
        assert [turn.start.id for turn in store.session_turns("other")] == ["turn0001", "turn0002"]
        assert store.session_turns("a") == []


def test_nothing_is_saved_from_a_file_that_is_gone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as target:
        migrate(target)
        assert salvage.salvage(tmp_path / "missing", target) == 0


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    reopened(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("name", "mode"), [("", 0o755), ("history.db", 0o644), ("journal", 0o775), ("sessions", 0o701)]
)
def test_a_history_that_others_can_read_is_closed_and_that_is_said_once(
    tmp_path: Path, name: str, mode: int
) -> None:
    folder = tmp_path / "deepreasoning"
    said: list[str] = []
    Database(folder, said.append).close()
    for each in ("journal", "sessions"):
        (folder / each).mkdir(0o700, exist_ok=True)
    (folder / name).chmod(mode)
    for _ in range(2):
        Database(folder, said.append).close()
    assert said == [f"the history in {folder} was open to others; it is closed to them now"]
    assert stat.S_IMODE((folder / name).stat().st_mode) == mode & 0o700


def test_a_folder_of_the_users_own_naming_may_be_shared_but_not_the_history(
    tmp_path: Path,
) -> None:
    said: list[str] = []
    Database(tmp_path, said.append).close()
    tmp_path.chmod(0o777)
    (tmp_path / "history.db").chmod(0o664)
    Database(tmp_path, said.append).close()
    assert len(said) == 1
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (tmp_path, tmp_path / "history.db")]
    assert modes == [0o777, 0o600]


@pytest.mark.parametrize(
    "junk", [b"\0" * 4096, b"\xa5" * 4096, b"SQLite format 3\0" + b"\xff" * 4080]
)
def test_turns_are_saved_although_the_first_page_is_gone(tmp_path: Path, junk: bytes) -> None:
    fill_store(tmp_path, 30, size=400)
    broken = tmp_path / "history.db"
    broken.write_bytes(junk + broken.read_bytes()[4096:])
    said: list[str] = []
    with Store.open(tmp_path, said.append) as store:
        assert [row.id for row in store.listing()] == [f"turn{n:04}" for n in range(30, 0, -1)]
        assert store.turn("turn0007").reasoning.count("First, what is asked?") == 400
    assert said[0].startswith("the history was damaged: 30 turns were saved")
    assert [path.name for path in tmp_path.glob("history.patched*")] == []


def test_the_newest_turn_that_is_damaged_does_not_hide_those_before_it(tmp_path: Path) -> None:
    said: list[str] = []
    with Store.open(tmp_path, said.append) as store:
        for number in range(3):
            store.save(record_of(turn_events(f"turn{number}")[:-1], failure=KeyboardInterrupt()))
    with closing(sqlite3.connect(tmp_path / "history.db")) as raw, raw:
        raw.execute("UPDATE turns SET cost = 'much' WHERE id = 'turn2'")
        raw.execute("UPDATE turns SET earlier_cost = x'ff' WHERE id = 'turn2'")
    with Store.open(tmp_path, said.append) as store:
        for found in (store.last_unfinished(), store.last()):
            assert found
            assert found.start.id == "turn1"
    assert said == ["turn2 is damaged in the history, and left out"]
