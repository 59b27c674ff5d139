"""A value that is damaged costs its own row; a repair that is broken off costs nothing."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from zlib import crc32

import pytest

from deepreasoning_cli.errors import ConfigError, WriteError
from deepreasoning_cli.history import database
from deepreasoning_cli.history.database import MAKING, WHOLE
from deepreasoning_cli.history.salvage import PATCHED
from deepreasoning_cli.history.schema import CHECKSUM, MIGRATIONS, migrate
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.views.json import turn_object
from support.sample_turns import fill_store, no_warning, open_store, record_of, turn_events


def damage(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "history.db")) as connection, connection:
        connection.execute(statement)


def test_a_byte_that_is_no_utf_8_costs_one_letter(tmp_path: Path) -> None:
    fill_store(tmp_path, 2)
    damage(tmp_path, "UPDATE turns SET system = CAST(x'61ff62' AS TEXT) WHERE id = 'turn0001'")
    with open_store(tmp_path) as store:
        assert store.turn("turn0001").start.system == "a\ufffdb"
        assert len(list(store.listing())) == 2


@pytest.mark.parametrize(
    "value",
    [
        "started = '2026-99-23T12:00:00.000+00:00'",
        "started = '0001-01-01T00:00:00+23:59'",
        "cost = '0.0x'",
        "cost = 'NaN'",
        "ending = 'complfte'",
    ],
)
def test_a_damaged_value_leaves_out_its_turn_alone(tmp_path: Path, value: str) -> None:
    fill_store(tmp_path, 3)
    damage(tmp_path, f"UPDATE turns SET {value} WHERE id = 'turn0002'")
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        assert [row.id for row in store.listing()] == ["turn0003", "turn0001"]
        assert len(store.search(["six"])) in (0, 2)
        store.spending()
        assert store.turn("turn0003").answer
        with pytest.raises(ConfigError) as caught:
            store.summary("turn0002")
        store.save(record_of(turn_events("later")))
    assert caught.value.kind == "history_damaged"
    assert "turn0002 is damaged in the history, and left out" in warnings
    assert len(warnings) == len(set(warnings))


@pytest.mark.parametrize(
    "value",
    [
        *("answer = x'ff'", "reasoning = x'ff'", "own_thinking = x'ff'", "draft = x'ff'"),
        *("reasoning_rest = 'text'", "reused_model = x'ff'", "earlier_cost = 1e308"),
        *("total = 9e999", "first_reasoning = 'soon'", "first_answer = -9e999"),
        *("sources = '[[1, 2]]'", "sources = '[null]'", "warnings = '[7]'"),
        """calls = '[{"id": 1, "name": 2, "arguments": 3}]'""",
    ],
)
def test_a_value_of_another_kind_is_found_when_its_turn_is_read(tmp_path: Path, value: str) -> None:
    fill_store(tmp_path, 3)
    damage(tmp_path, f"UPDATE turns SET {value} WHERE id = 'turn0002'")
    with Store.open(tmp_path, no_warning) as store:
        with pytest.raises(ConfigError) as caught:
            store.turn("turn0002")
        assert store.turn("turn0003").answer
    assert caught.value.kind == "history_damaged"


@pytest.mark.parametrize("value", ["cost = 'x'", "input_tokens = 'many'", "model = x'ff'"])
def test_a_damaged_stage_leaves_the_rest_of_what_was_spent(tmp_path: Path, value: str) -> None:
    fill_store(tmp_path, 2)
    with open_store(tmp_path) as store:
        before = len(store.spending())
    damage(tmp_path, f"UPDATE stages SET {value} WHERE turn = 1 AND stage = 'answer'")
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        assert len(store.spending()) == before - 1
    assert warnings == ["turn0001 is damaged in the history, and left out"]


@pytest.mark.parametrize(("offset", "byte"), [(18, 3), (20, 7), (47, 9)])
def test_a_byte_of_the_header_that_forbids_writing_is_damage(
    tmp_path: Path, offset: int, byte: int
) -> None:
    fill_store(tmp_path, 2)
    path = tmp_path / "history.db"
    data = bytearray(path.read_bytes())
    data[offset] = byte
    path.write_bytes(data)
    with Store.open(tmp_path, lambda _: None) as store:
        store.save(record_of(turn_events("later")))
        assert "later" in [row.id for row in store.listing()]


def test_a_repair_that_was_broken_off_is_begun_anew(tmp_path: Path) -> None:
    fill_store(tmp_path, 3)
    (tmp_path / MAKING).write_bytes(b"SQLite for")
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        assert len(list(store.listing())) == 3
    assert [warning.startswith("the history was damaged: 3 turns") for warning in warnings] == [
        True
    ]
    assert not (tmp_path / MAKING).exists()


def test_what_a_broken_off_repair_left_costs_no_turn(tmp_path: Path) -> None:
    fill_store(tmp_path, 3)
    with (tmp_path / "history.db").open("r+b") as file:
        file.write(b"\xff" * 100)
    (tmp_path / PATCHED).write_bytes(b"half a copy")
    with Store.open(tmp_path, lambda _: None) as store:
        assert len(list(store.listing())) == 3
    assert not (tmp_path / PATCHED).exists()


@pytest.mark.parametrize("original_is_aside", [False, True])
def test_a_repaired_history_without_its_name_gets_it(
    tmp_path: Path, original_is_aside: bool
) -> None:
    fill_store(tmp_path / "other", 3)
    (tmp_path / "other/history.db").rename(tmp_path / WHOLE)
    if not original_is_aside:
        (tmp_path / "history.db").write_text("damaged")
    with Store.open(tmp_path, lambda _: None) as store:
        assert len(list(store.listing())) == 3
    assert not (tmp_path / WHOLE).exists()


def test_one_failed_read_is_no_damage(tmp_path: Path) -> None:
    fill_store(tmp_path, 2)
    calls: list[int] = []

    def fails_once(connection: sqlite3.Connection) -> int:
        calls.append(1)
        if len(calls) == 1:
            error = sqlite3.DatabaseError("database disk image is malformed")
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error
        return int(connection.execute("SELECT count(*) FROM turns").fetchone()[0])

    with open_store(tmp_path) as store:
        assert store._database.read(fails_once) == 2
    assert list(tmp_path.glob("*.corrupt-*")) == []


def test_what_is_written_while_another_process_repairs_is_kept(tmp_path: Path) -> None:
    fill_store(tmp_path / "other", 2)
    with open_store(tmp_path) as store:
        store.save(record_of(turn_events("before")))
        (tmp_path / "other/history.db").replace(tmp_path / "history.db")
        for name in ("history.db-wal", "history.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        store.save(record_of(turn_events("later")))
    with open_store(tmp_path) as store:
        assert [row.id for row in store.listing()] == ["later", "turn0002", "turn0001"]


@pytest.mark.parametrize("code", ["SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN"])
def test_on_a_full_disk_the_history_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    fill_store(tmp_path, 2)

    def full(path: Path) -> sqlite3.Connection:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = getattr(sqlite3, code)
        raise error

    monkeypatch.setattr(database, "_connect", full)
    with Store.open(tmp_path, no_warning) as store:
        assert [row.id for row in store.listing()] == ["turn0002", "turn0001"]
        with pytest.raises((WriteError, ConfigError)):
            store.save(record_of(turn_events("later")))


def change_bytes(folder: Path, old: bytes, new: bytes) -> None:
    """Overwrite part of the first page, which says what the tables are."""
    path = folder / "history.db"
    data = path.read_bytes()
    at = data.index(old, 100, 4096)
    path.write_bytes(data[:at] + new + data[at + len(new) :])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b"started TEXT", b"stbrted", id="a column's name"),
        pytest.param(b"fingerprint", b"fing\xff", id="a name that is no UTF-8"),
        pytest.param(b"CREATE TABLE turns", b"CREATE TABLE\xff", id="no statement"),
        pytest.param(b"session TEXT,", b"sessiom", id="a column that may be empty"),
        pytest.param(b"'complete', '", b"'complfte", id="a check"),
        pytest.param(b"turns_by_source ON", b"turns_by_sourcf", id="an index"),
        pytest.param(b"VALUES (new.seq", b"VALUES (nfw", id="a trigger"),
        pytest.param(b"fts5 (", b"fts6", id="the search"),
        pytest.param(b"unicode61", b"unicode62", id="its tokenizer"),
    ],
)
def test_a_damaged_letter_of_the_schema_costs_nothing(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    fill_store(tmp_path, 3)
    before = turns(tmp_path)
    change_bytes(tmp_path, old, new)
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        store.save(record_of(turn_events("later", session="tables")))
        assert [row.id for row in store.listing(session="tables")] == ["later"]
        assert store.search(["seven"])
        store.delete(["later"])
    assert turns(tmp_path) == before
    assert warnings[0].startswith("the history was damaged: 3 turns were saved")
    assert all(warning.endswith("may still hold what was deleted") for warning in warnings[1:])


def turns(folder: Path) -> list[dict[str, object]]:
    with open_store(folder) as store:
        return [turn_object(store.turn(row.id)) for row in store.listing()]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM words_config",
        "DELETE FROM words_data",
        "DELETE FROM words_docsize",
        "DELETE FROM words_idx",
        "UPDATE words_config SET v = 9",
        "UPDATE words_data SET block = x'ffffffff'",
        "UPDATE words_data SET block = NULL",
        "DELETE FROM sqlite_sequence",
    ],
)
def test_a_damaged_table_of_the_search_costs_nothing(tmp_path: Path, statement: str) -> None:
    fill_store(tmp_path, 3)
    damage(tmp_path, statement)
    warnings: list[str] = []
    with Store.open(tmp_path, warnings.append) as store:
        store.save(record_of(turn_events("later")))
        assert len(list(store.listing())) == 4
        store.search(["seven"])
    for warning in warnings:
        assert re.match(r"the history was damaged: [34] turns were saved, the rest is in ", warning)


@pytest.mark.parametrize("number", [0, 3, 23, 263, 2**31 - 1, -1])
def test_a_damaged_version_of_tables_that_are_whole_costs_nothing(
    tmp_path: Path, number: int
) -> None:
    fill_store(tmp_path, 3)
    damage(tmp_path, f"PRAGMA user_version = {number}")
    with Store.open(tmp_path, no_warning) as store:
        store.save(record_of(turn_events("later")))
        assert len(list(store.listing())) == 4


@pytest.mark.parametrize(
    "statement",
    ["CREATE INDEX mine ON turns (model)", "ALTER TABLE turns ADD COLUMN mine TEXT", "ANALYZE"],
)
def test_what_others_have_added_is_no_damage(tmp_path: Path, statement: str) -> None:
    fill_store(tmp_path, 3)
    damage(tmp_path, statement)
    with Store.open(tmp_path, no_warning) as store:
        store.save(record_of(turn_events("later")))
        assert len(list(store.listing())) == 4


def test_turns_in_the_log_outlive_a_damaged_letter_of_the_schema(tmp_path: Path) -> None:
    """A process that was killed has left it: what is there comes from both files."""
    fill_store(tmp_path / "filled", 3)
    with closing(sqlite3.connect(tmp_path / "filled/history.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("UPDATE turns SET session = 'late' WHERE id = 'turn0003'")
        connection.execute("DELETE FROM turns WHERE id = 'turn0001'")
        connection.commit()
        shutil.copytree(tmp_path / "filled", tmp_path / "killed")
    change_bytes(tmp_path / "killed", b"stop_reason", b"stop_reasom")
    warnings: list[str] = []
    with Store.open(tmp_path / "killed", warnings.append) as store:
        found = {row.id: row.session for row in store.listing()}
    assert set(found) >= {"turn0002", "turn0003"}


def test_each_version_has_tables_of_its_own() -> None:
    query = "SELECT sql FROM sqlite_schema WHERE sql NOTNULL ORDER BY name"
    checksums = []
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for number in range(1, len(MIGRATIONS) + 1):
            migrate(connection, MIGRATIONS[:number])
            texts = [text for (text,) in connection.execute(query)]
            checksums.append(crc32("\n".join(texts).encode()))
    assert len(set(checksums)) == len(MIGRATIONS)
    assert checksums[-1] == CHECKSUM
