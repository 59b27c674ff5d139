"""The history as one process uses it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deepreasoning_cli.history import recovery
from deepreasoning_cli.history.journal import JournalFile
from deepreasoning_cli.history.journal_format import event_line
from deepreasoning_cli.history.recovery import HistoryAccess
from support.kept_turns import WHEN, journalled, no_warning, opened, reasoned, whole


def left_behind(folder: Path, *turns: str) -> None:
    """The journals of a process that died in the middle of its turns."""
    (folder / "journal").mkdir(parents=True, exist_ok=True)
    for turn in turns:
        lines = [
            event_line(opened(turn), 0.0, WHEN),
            *(event_line(event, 0.1) for event in reasoned()[:3]),
        ]
        (folder / f"journal/{turn}.jsonl").write_bytes(b"".join(lines))


def archive(folder: Path) -> tuple[HistoryAccess, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []
    return HistoryAccess(folder, lambda kind, text: said.append((kind, text))), said


def recovered(turns: str) -> tuple[str, str]:
    return "note", f"recovered {turns}: `deepreasoning history list`"


def test_where_nothing_was_kept_to_ask_makes_nothing(tmp_path: Path) -> None:
    ours, said = archive(tmp_path / "data")
    assert (ours.exists, ours.spending(recovers=True)) == (False, None)
    ours.recover_orphans()
    assert (said, (tmp_path / "data").exists()) == ([], False)


def test_leftovers_are_taken_up_once_in_a_process(tmp_path: Path) -> None:
    left_behind(tmp_path, "turn1", "turn2")
    ours, said = archive(tmp_path)
    assert ours.exists
    ours.recover_orphans()
    left_behind(tmp_path, "turn3")
    ours.recover_orphans()
    with ours.opened() as store:
        assert {row.id for row in store.listing()} == {"turn1", "turn2"}
    assert said == [recovered("2 unfinished turns")]


def test_one_that_is_taken_up_is_said_in_the_singular(tmp_path: Path) -> None:
    left_behind(tmp_path, "turn1")
    ours, said = archive(tmp_path)
    with ours.opened(recovers=False) as store:
        assert (list(store.listing()), said) == ([], [])
    with ours.opened() as store:
        assert [row.id for row in store.listing()] == ["turn1"]
    assert said == [recovered("1 unfinished turn")]


def test_what_a_process_still_writes_is_left_to_it(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "journal/turn1.jsonl")
    try:
        file.append(event_line(opened(), 0.0, WHEN))
        ours, said = archive(tmp_path)
        ours.recover_orphans()
        with ours.opened() as store:
            assert (list(store.listing()), said) == ([], [])
    finally:
        file.close(remove=False)


def test_what_was_spent_is_read_since_a_moment(tmp_path: Path) -> None:
    journalled(tmp_path, whole(), warn=no_warning)
    ours, _ = archive(tmp_path)
    now = datetime.now(UTC)
    for since, count in ((None, 1), (now - timedelta(days=1), 1), (now + timedelta(days=1), 0)):
        spent = ours.spending(since, recovers=False)
        assert spent is not None
        assert len({row.started for row in spent}) == count


def test_a_history_that_cannot_be_read_is_a_warning_where_nobody_asked_for_it(
    tmp_path: Path,
) -> None:
    left_behind(tmp_path, "turn1")
    (tmp_path / "history.db").mkdir()
    ours, said = archive(tmp_path)
    ours.recover_orphans()
    assert [kind for kind, _ in said] == ["warning"]


def test_a_folder_that_cannot_be_looked_into_may_hold_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(_: Path) -> list[Path]:
        raise PermissionError

    monkeypatch.setattr(recovery, "orphaned_journals", closed)
    assert archive(tmp_path)[0].exists
