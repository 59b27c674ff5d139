"""Journals of dead processes."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.history import locks, recovery
from deepreasoning_cli.history.journal import Journal, JournalFile
from deepreasoning_cli.history.journal_format import TurnOutcome, event_line, orphaned_journals
from deepreasoning_cli.history.locks import try_lock, try_lock_path
from deepreasoning_cli.history.recovery import HistoryAccess, recover
from deepreasoning_cli.history.store import Store
from deepreasoning_cli.pipeline.events import Event, Text, Thought, TurnStarted
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.json import turn_object
from support.sample_turns import (
    WHEN,
    journal_turn,
    no_warning,
    open_store,
    reason_events,
    turn_events,
    turn_started,
)


def left_behind(folder: Path, events: Sequence[Event], turn: str = "turn1") -> Path:
    """The journal of a process that died after these events, a quarter of a second apart."""
    path = folder / f"journal/{turn}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [event_line(events[0], 0.0, WHEN)]
    lines += [event_line(event, 0.25 * number) for number, event in enumerate(events[1:], 1)]
    path.write_bytes(b"".join(lines))
    return path


def recovered(folder: Path) -> tuple[int, list[str]]:
    warnings: list[str] = []
    with open_store(folder) as store:
        return len(recover(folder, store, warnings.append)), warnings


def kept(folder: Path, turn: str = "turn1") -> TurnRecord:
    with open_store(folder) as store:
        return store.turn(turn)


def test_a_turn_of_a_dead_process_is_stored_as_incomplete(tmp_path: Path) -> None:
    path = left_behind(tmp_path, turn_events()[:5])
    assert (recovered(tmp_path), path.exists()) == ((1, []), False)
    turn = turn_object(kept(tmp_path))
    assert turn["status"] == "incomplete"
    assert turn["reasoning"] == "First, what is asked? "
    assert turn["seconds"] == {"first_reasoning": 0.75, "first_answer": None, "total": 1.0}
    assert turn["reasoner"]["usage"]["estimated"] is True
    with open_store(tmp_path) as store:
        assert [(row.outcome, row.started) for row in store.listing()] == [
            (TurnOutcome.CUT_SHORT, WHEN)
        ]


def test_a_number_that_is_none_costs_its_line_and_no_other_journal(tmp_path: Path) -> None:
    path = left_behind(tmp_path, turn_events()[:5], "odd")
    path.write_bytes(path.read_bytes() + b'{"event":"text","t":NaN,"text":"a"}\n')
    left_behind(tmp_path, turn_events("turn2"), "turn2")
    count, warnings = recovered(tmp_path)
    assert (count, len(warnings)) == (2, 1)
    assert "could not read 1 of the journal's lines" in warnings[0]


def test_a_turn_that_had_finished_its_answer_is_complete(tmp_path: Path) -> None:
    left_behind(tmp_path, turn_events())
    assert recovered(tmp_path) == (1, [])
    assert turn_object(kept(tmp_path))["status"] == "complete"


def test_a_turn_that_was_only_to_reason_is_complete_with_its_reasoning(tmp_path: Path) -> None:
    started, *events = [*turn_events()[:1], *reason_events()]
    assert isinstance(started, TurnStarted)
    left_behind(tmp_path, [started, *events], "turn1")
    left_behind(tmp_path, [replace(started, id="turn2"), *events[:-1]], "turn2")
    left_behind(tmp_path, [replace(started, id="turn3", answerer="opus"), *events], "turn3")
    assert recovered(tmp_path) == (3, [])
    assert [kept(tmp_path, f"turn{n}").complete for n in (1, 2, 3)] == [True, False, False]


def test_a_torn_last_line_costs_that_line_alone(tmp_path: Path) -> None:
    path = left_behind(tmp_path, turn_events()[:5])
    data = path.read_bytes()
    for cut in range(1, len(event_line(Thought("what is asked? "), 1.0)) + 1):
        path.write_bytes(data[:-cut])
        assert recovered(tmp_path) == (1, [])
        expected = "First, what is asked? " if cut == 1 else "First, "
        assert kept(tmp_path).reasoning == expected


def test_a_turn_that_could_not_be_stored_is_the_same_later(tmp_path: Path) -> None:
    (tmp_path / "history.db").mkdir()
    failure = WriteError("disk full")
    record = journal_turn(tmp_path, turn_events()[:-1], failure)
    second = journal_turn(tmp_path, turn_events("turn2"))
    (tmp_path / "history.db").rmdir()
    assert recovered(tmp_path) == (2, [])
    assert turn_object(kept(tmp_path)) == turn_object(record)
    assert turn_object(kept(tmp_path, "turn2")) == turn_object(second)
    with open_store(tmp_path) as store:
        assert [row.outcome for row in store.listing()] == [TurnOutcome.COMPLETE, TurnOutcome.ERROR]


def test_a_running_process_keeps_its_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, TurnRecord(), no_warning)
    journal(turn_started())
    journal(Text("so far"))
    left_behind(tmp_path, [turn_started("turn2")], "turn2")
    assert recovered(tmp_path) == (1, [])
    assert [path.name for path in orphaned_journals(tmp_path)] == ["turn1.jsonl"]
    journal.close(KeyboardInterrupt())
    assert orphaned_journals(tmp_path) == []


@pytest.mark.parametrize(
    "content", [b"not a journal\n", b'{"event":"open', b"\0" * 99, event_line(Text("first"), 0.0)]
)
def test_an_unreadable_journal_is_kept_and_named_once(tmp_path: Path, content: bytes) -> None:
    path = left_behind(tmp_path, [turn_started()])
    path.write_bytes(content)
    left_behind(tmp_path, turn_events("turn2"), "turn2")
    aside = tmp_path / "journal/turn1.jsonl.unreadable"
    assert recovered(tmp_path) == (1, [f"could not read the journal, which is kept as {aside}"])
    assert (aside.read_bytes(), recovered(tmp_path)) == (content, (0, []))


def test_what_can_be_read_of_a_damaged_journal_is_saved_turn(tmp_path: Path) -> None:
    path = left_behind(tmp_path, [turn_started(), *reason_events()])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"\0\0\0\n", *lines[4:]]))
    aside = tmp_path / "journal/turn1.jsonl.unreadable"
    warning = f"could not read 1 of the journal's lines, which is kept as {aside}"
    assert recovered(tmp_path) == (1, [warning])
    assert kept(tmp_path).reasoning == "First, Six sevens."


def test_a_journal_of_a_newer_version_is_left_to_it(tmp_path: Path) -> None:
    path = left_behind(tmp_path, [turn_started()])
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"version": 2}) + "\n")
    assert recovered(tmp_path) == (0, [f"{path} is kept: it was written by a newer version"])
    assert path.exists()


def test_an_empty_journal_is_swept_when_its_process_must_be_dead(tmp_path: Path) -> None:
    path = left_behind(tmp_path, [turn_started()])
    path.write_bytes(b"")
    assert (recovered(tmp_path), path.exists()) == ((0, []), True)
    old = time.time() - 2 * recovery.STALE_SECONDS
    os.utime(path, (old, old))
    assert (recovered(tmp_path), path.exists()) == ((0, []), False)


def test_a_journal_that_cannot_be_opened_is_named_and_the_others_recovered(tmp_path: Path) -> None:
    (tmp_path / "journal/turn1.jsonl").mkdir(parents=True)
    left_behind(tmp_path, turn_events("turn2"), "turn2")
    count, warnings = recovered(tmp_path)
    path = tmp_path / "journal/turn1.jsonl"
    assert (count, warnings) == (1, [f"{path} is kept: Is a directory"])


def test_where_the_store_fails_the_journals_stay(tmp_path: Path) -> None:
    left_behind(tmp_path, turn_events())
    left_behind(tmp_path, turn_events("turn2"), "turn2")
    warnings: list[str] = []

    class Full(Store):
        def save(self, *_: object, **__: object) -> None:
            raise WriteError("the disk is full")

    with Full.open(tmp_path, no_warning) as store:
        assert recover(tmp_path, store, warnings.append) == []
    assert warnings == [f"the disk is full; unfinished turns stay in {tmp_path / 'journal'}"]
    assert len(orphaned_journals(tmp_path)) == 2


def test_a_journal_that_another_process_has_just_recovered_is_not_recovered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_behind(tmp_path, turn_events())

    def removed_meanwhile(descriptor: int) -> bool:
        path.unlink()
        return try_lock(descriptor)

    monkeypatch.setattr(locks, "try_lock", removed_meanwhile)
    assert recovered(tmp_path) == (0, [])


def test_a_journal_that_goes_while_the_folder_is_read_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "orphaned_journals", lambda _: [tmp_path / "journal/gone.jsonl"])
    assert recovered(tmp_path) == (0, [])


def test_where_the_folder_cannot_be_read_nothing_is_recovered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Path, pattern: str) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "glob", broken)
    assert orphaned_journals(tmp_path) == []


def test_where_there_are_no_locks_a_journal_is_left_alone_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    path = left_behind(tmp_path, turn_events())
    warnings: list[str] = []
    with open_store(tmp_path) as store:
        monkeypatch.setattr(locks, "_lock", none)
        assert recover(tmp_path, store, warnings.append) == []
        with pytest.raises(OSError, match="No locks available"):
            locks.try_lock_path(tmp_path / "lock")
        journal_turn(tmp_path, turn_events("turn2"), warn=no_warning)  # it is kept without one
    assert (warnings, path.exists()) == ([f"{path} is kept: No locks available"], True)


def test_without_a_data_folder_there_is_nothing_to_recover(tmp_path: Path) -> None:
    assert orphaned_journals(tmp_path / "nowhere") == []


def test_a_lock_file_is_had_once(tmp_path: Path) -> None:
    first = try_lock_path(tmp_path / "lock")
    assert (first is not None, try_lock_path(tmp_path / "lock")) == (True, None)
    os.close(first or 0)


def left_in_the_middle(folder: Path, *turns: str) -> None:
    """The journals of a process that died in the middle of its turns."""
    for turn in turns:
        left_behind(folder, [turn_started(turn), *reason_events()[:3]], turn)


def history_access(folder: Path) -> tuple[HistoryAccess, list[tuple[str, str]]]:
    reports: list[tuple[str, str]] = []
    return HistoryAccess(folder, lambda kind, text: reports.append((kind, text))), reports


def recovery_note(turns: str) -> tuple[str, str]:
    return "note", f"recovered {turns}: `deepreasoning history list`"


def test_where_nothing_was_kept_to_ask_makes_nothing(tmp_path: Path) -> None:
    access, reports = history_access(tmp_path / "data")
    assert (access.exists, access.spending(recover_orphaned=True)) == (False, None)
    access.recover_orphans()
    assert (reports, (tmp_path / "data").exists()) == ([], False)


def test_orphaned_journals_are_recovered_once_in_a_process(tmp_path: Path) -> None:
    left_in_the_middle(tmp_path, "turn1", "turn2")
    access, reports = history_access(tmp_path)
    assert access.exists
    access.recover_orphans()
    left_in_the_middle(tmp_path, "turn3")
    access.recover_orphans()
    with access.open() as store:
        assert {row.id for row in store.listing()} == {"turn1", "turn2"}
    assert reports == [recovery_note("2 unfinished turns")]


def test_one_that_is_recovered_is_reported_in_the_singular(tmp_path: Path) -> None:
    left_in_the_middle(tmp_path, "turn1")
    access, reports = history_access(tmp_path)
    with access.open(recover_orphaned=False) as store:
        assert (list(store.listing()), reports) == ([], [])
    with access.open() as store:
        assert [row.id for row in store.listing()] == ["turn1"]
    assert reports == [recovery_note("1 unfinished turn")]


def test_what_a_process_still_writes_is_left_to_it(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal/turn1.jsonl")
    try:
        file.append(event_line(turn_started(), 0.0, WHEN))
        access, reports = history_access(tmp_path)
        access.recover_orphans()
        with access.open() as store:
            assert (list(store.listing()), reports) == ([], [])
    finally:
        file.close(remove=False)


def test_what_was_spent_is_read_since_a_moment(tmp_path: Path) -> None:
    journal_turn(tmp_path, turn_events(), warn=no_warning)
    access, _ = history_access(tmp_path)
    now = datetime.now(UTC)
    for since, count in ((None, 1), (now - timedelta(days=1), 1), (now + timedelta(days=1), 0)):
        spent = access.spending(since, recover_orphaned=False)
        assert spent is not None
        assert len({row.started for row in spent}) == count


def test_a_history_that_cannot_be_read_is_a_warning_where_nobody_asked_for_it(
    tmp_path: Path,
) -> None:
    left_in_the_middle(tmp_path, "turn1")
    (tmp_path / "history.db").mkdir()
    access, reports = history_access(tmp_path)
    access.recover_orphans()
    assert [kind for kind, _ in reports] == ["warning"]


def test_a_folder_that_cannot_be_looked_into_may_hold_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> list[Path]:
        raise PermissionError

    monkeypatch.setattr(recovery, "orphaned_journals", closed)
    assert history_access(tmp_path)[0].exists


def test_only_unfinished_turns_are_called_so(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    for turn, end in (("turn1", None), ("turn2", None), ("turn3", 5)):
        left_behind(tmp_path, turn_events(turn)[:end], turn)
    with HistoryAccess(tmp_path, lambda kind, text: said.append((kind, text))).open() as store:
        assert len(list(store.listing())) == 3
    assert said == [("note", "recovered 1 unfinished turn: `deepreasoning history list`")]
