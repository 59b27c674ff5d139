"""A value that is damaged costs its own row; a repair that is broken off costs nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from deepreasoning_cli.errors import ConfigError, WriteError
from deepreasoning_cli.history import database
from deepreasoning_cli.history.database import MAKING, WHOLE
from deepreasoning_cli.history.salvage import PATCHED
from deepreasoning_cli.history.store import Store
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
