from __future__ import annotations

import json
import os
import stat
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.cli.chat.prompt_history import PromptHistory
from deepreasoning_cli.errors import WriteError

posix = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


def loaded(path: Path) -> list[str]:
    """The entries of a later run, oldest first."""
    return list(PromptHistory(path).entries())[::-1]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_only_the_user_can_read_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "data" / "prompts"
    before = os.umask(umask)
    try:
        PromptHistory(path).add("secret plan")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.parent)]
    assert modes == [0o600, 0o700]
    assert loaded(path) == ["secret plan"]


@posix
def test_a_file_that_others_can_read_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "prompts"
    path.write_text('"a"\n', encoding="utf-8")
    path.chmod(0o644)
    assert loaded(path) == ["a"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(entries=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_what_is_stored_is_loaded(
    entries: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("history") / "prompts"
    history = PromptHistory(path)
    for entry in entries:
        history.add(entry)
    assert loaded(path) == [entry for entry, _ in groupby(entries)]


def test_half_a_pair_becomes_a_replacement(tmp_path: Path) -> None:
    PromptHistory(tmp_path / "p").add("a\udc80\x00b")
    assert loaded(tmp_path / "p") == ["a\ufffd\x00b"]


def test_torn_and_foreign_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b'"one"\n\xff\n{"a": 1}\n"tw\n[]\n"three"\n"fo')
    assert loaded(path) == ["one", "three"]


def test_a_paste_of_a_book_is_not_kept(tmp_path: Path) -> None:
    PromptHistory(tmp_path / "p").add("x" * 100_001)
    assert not (tmp_path / "p").exists()


def test_a_long_file_is_cut_to_its_newest(tmp_path: Path) -> None:
    path = tmp_path / "p"
    for number in range(9):
        PromptHistory(path).add(f"{number}")
    assert PromptHistory(path, most=3, slack=2).entries() == ["8", "7", "6"]
    assert path.read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize("where", ["folder", "file/below", "x" * 300])
def test_a_disk_that_does_not_take_it_is_no_failure(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    PromptHistory(tmp_path / where).add("lost")
    assert loaded(tmp_path / where) == []


# ------------------------------------------------------------------------- entries and their turns


def chats(path: Path, *steps: str) -> None:
    """A chat: `=ID` begins that turn, everything else is typed."""
    history = PromptHistory(path)
    for step in steps:
        if step.startswith("="):
            history.begin_turn(step[1:])
        else:
            history.add(step)


def test_an_entry_belongs_to_the_turn_that_follows_it_in_its_chat(tmp_path: Path) -> None:
    path = tmp_path / "p"
    chats(path, "/system secret", "one", "=t1", "/retry", "=t2", "two", "=t3", "/info")
    chats(path, "/file plan", "one", "=t4")
    PromptHistory(path).forget({"t1": "one", "t3": "sent otherwise"})
    assert loaded(path) == ["/retry", "/file plan", "one"]
    PromptHistory(path).forget({"t2": "one", "t4": "one"})
    assert (loaded(path), path.read_bytes()) == ([], b"")


def test_chats_at_the_same_time_are_told_apart(tmp_path: Path) -> None:
    first, second = PromptHistory(tmp_path / "p"), PromptHistory(tmp_path / "p")
    first.add("a")
    second.add("b")
    second.begin_turn("tb")
    first.begin_turn("ta")
    PromptHistory(tmp_path / "p").forget({"ta": "a"})
    assert loaded(tmp_path / "p") == ["b"]


def test_a_repeated_entry_is_kept_for_each_of_its_turns_and_offered_once(tmp_path: Path) -> None:
    chats(tmp_path / "p", "once", "=t1", "once", "=t2")
    assert loaded(tmp_path / "p") == ["once"]
    PromptHistory(tmp_path / "p").forget({"t2": "once"})
    assert loaded(tmp_path / "p") == ["once"]
    PromptHistory(tmp_path / "p").forget({"t1": "once"})
    assert loaded(tmp_path / "p") == []


def test_a_turn_for_which_nothing_was_typed_has_no_line(tmp_path: Path) -> None:
    PromptHistory(tmp_path / "p").begin_turn("t1")
    assert not (tmp_path / "p").exists()


def test_what_led_to_no_turn_goes_by_its_age(tmp_path: Path) -> None:
    path = tmp_path / "p"
    chats(path, "/system secret")
    chats(path, "asked", "=t1")
    now = datetime.now(UTC)
    PromptHistory(path).forget({}, now - timedelta(days=1))
    assert loaded(path) == ["/system secret", "asked"]
    PromptHistory(path).forget({}, now + timedelta(days=1))
    assert loaded(path) == ["asked"]


def test_times_and_ids_that_are_none_harm_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p"
    lines = (
        '{"chat": "c", "at": 7, "text": "a"}',
        '{"chat": "c", "at": "2026-01-01T00:00:00", "text": "b"}',
        '{"chat": 1, "text": "c"}',
        '{"chat": "c", "turn": []}',
        "[" * 100_000,
    )
    path.write_text("\n".join(lines) + "\n")
    PromptHistory(path).forget({}, datetime.now(UTC))
    assert loaded(path) == ["a", "b"]


def test_old_entries_are_known_by_what_was_sent_and_take_their_commands_along(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p"
    typed = ["/system secret", "What is in it?", "//usr?", "a\u2028b\x85c", "other", "/retry"]
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in typed))
    sent = ('<file name="x">\nplan\n</file>\n\nWhat is in it?', "/usr?", "a\u2028b\x85c")
    PromptHistory(path).forget({f"t{number}": prompt for number, prompt in enumerate(sent)})
    assert loaded(path) == ["other", "/retry"]
    PromptHistory(path).forget({"t9": "other"})
    assert loaded(path) == []


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may do everything")
def test_a_file_that_keeps_what_is_to_be_forgotten_is_told(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "p"
    chats(path, "secret", "=t1")
    path.parent.chmod(0o500)
    try:
        with pytest.raises(WriteError):
            PromptHistory(path).forget_all()
        with pytest.raises(WriteError):
            PromptHistory(path).forget({"t1": ""})
    finally:
        path.parent.chmod(0o700)


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="still holds what was typed"):
        PromptHistory(tmp_path).forget({"t1": ""})
    with pytest.raises(WriteError, match="still holds what was typed"):
        PromptHistory(tmp_path).forget_all()
