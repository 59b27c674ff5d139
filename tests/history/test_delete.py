"""What is deleted is gone from the files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.history import database
from deepreasoning_cli.history.journal import Journal
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.pipeline.events import Text, Thought
from deepreasoning_cli.pipeline.record import TurnRecord
from support.sample_turns import (
    WHEN,
    answer_events,
    no_warning,
    open_store,
    reason_events,
    record_of,
    turn_started,
)

SECRETS = ("zzmango", "zzpapaya", "zzguava")


def secret(turn: str, word: str = "zz") -> TurnRecord:
    """A turn with words that nothing else holds, in short texts and in long ones."""
    filler = "and so on with many words of no interest " * 200
    return record_of(
        [
            turn_started(turn, f"{word}mango", session=f"{word}session"),
            *reason_events([f"{filler}{word}papaya{filler}"]),
            *answer_events([f"{word}guava"]),
        ]
    )


def traces(folder: Path, words: tuple[str, ...] = (*SECRETS, "zzsession")) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    data = b"".join(path.read_bytes() for path in files)
    return [word for word in words if word.encode() in data]


def test_a_deleted_turn_is_gone_from_every_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        for number in range(30):
            store.save(secret(f"turn{number:02}", f"yy{number:02}"))
        store.save(secret("hidden"))
        assert traces(tmp_path) == [*SECRETS, "zzsession"]
        assert store.delete(["hid", "hidden"]) == 1
        assert traces(tmp_path) == []
        assert (store.search(["zzguava"]), len(store.search(["yy07guava"]))) == ([], 1)
        assert len(list(store.listing())) == 30
    assert traces(tmp_path) == []
    assert traces(tmp_path, ("yy00guava", "yy29papaya")) == ["yy00guava", "yy29papaya"]


def test_a_turn_that_was_replaced_leaves_no_trace_of_its_old_words_once_deleted(
    tmp_path: Path,
) -> None:
    with open_store(tmp_path) as store:
        store.save(secret("a"))
        store.save(record_of([turn_started("a", "harmless")]))
        assert store.delete_all() == 1
    assert traces(tmp_path) == []


def test_old_turns_are_deleted(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(secret("old"), began=WHEN - timedelta(days=31))
        store.save(secret("new", "yy"), began=WHEN - timedelta(days=29))
        assert store.delete_older(WHEN - timedelta(days=30)) == 1
        assert [row.id for row in store.listing()] == ["new"]
    assert traces(tmp_path) == []


def test_everything_goes_with_all(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir(0o700)
    (journal / "dead.jsonl").write_bytes(event_line(turn_started("dead", "zzmango"), 0.0, WHEN))
    (journal / "odd.jsonl.unreadable").write_text("zzpapaya")
    (tmp_path / "history.db.corrupt-20260101T000000Z").write_text("zzguava")
    (tmp_path / "history.db.corrupt-20260101T000000Z-wal").write_text("zzguava")
    running = Journal(tmp_path, TurnRecord(), no_warning)
    running(turn_started("running", "still here"))
    with open_store(tmp_path, lambda _: None) as store:
        store.save(secret("a"))
        store.save(secret("b"))
        assert store.delete_all() == 2
    assert traces(tmp_path) == []
    assert [path.name for path in journal.iterdir()] == ["running.jsonl"]
    running.close(None)


def test_the_journal_of_a_deleted_turn_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "journal/a.jsonl"
    path.parent.mkdir()
    path.write_bytes(event_line(Thought("zzpapaya"), 0.0) + event_line(Text("zzguava"), 0.0))
    other = tmp_path / "journal/ab.jsonl"
    other.write_bytes(b"")
    with open_store(tmp_path) as store:
        store.save(record_of([turn_started("a")]))
        store.delete(["a"])
    assert (path.exists(), other.exists()) == (False, True)


def test_a_damaged_copy_that_may_hold_the_turn_is_named(tmp_path: Path) -> None:
    aside = tmp_path / "history.db.corrupt-20260101T000000Z"
    aside.write_text("")
    warnings: list[str] = []
    with open_store(tmp_path, warnings.append) as store:
        store.save(secret("a"))
        store.delete(["a"])
    assert warnings == [f"{aside} may still hold what was deleted"]


def test_a_reader_that_keeps_the_log_from_being_emptied_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 0.05)
    warnings: list[str] = []
    with open_store(tmp_path, warnings.append) as store:
        store.save(secret("a"))
        with closing(sqlite3.connect(tmp_path / "history.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM turns").fetchone()
            assert store.delete(["a"]) == 1
    message = "another process is reading the history: its log is emptied when it ends"
    assert (warnings, traces(tmp_path)) == ([message], [])


def test_where_one_id_is_unknown_nothing_is_deleted(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.save(secret("a"))
        with pytest.raises(UsageError) as caught:
            store.delete(["a", "x"])
        assert (caught.value.kind, len(list(store.listing()))) == ("unknown_turn", 1)


def test_an_empty_history_is_deleted_without_complaint(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert (store.delete([]), store.delete_older(WHEN), store.delete_all()) == (0, 0, 0)
