from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.chat import prompt_history
from deepreasoning_cli.chat.prompt_history import PromptHistory

posix = pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")


def loaded(path: Path) -> list[str]:
    """The entries of a later run, oldest first."""
    return list(PromptHistory(path).load_history_strings())[::-1]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_only_the_user_can_read_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "data" / "prompts"
    before = os.umask(umask)
    try:
        PromptHistory(path).store_string("secret plan")
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
        history.store_string(entry)
    assert loaded(path) == entries


def test_half_a_pair_becomes_a_replacement(tmp_path: Path) -> None:
    PromptHistory(tmp_path / "p").store_string("a\udc80\x00b")
    assert loaded(tmp_path / "p") == ["a\ufffd\x00b"]


def test_torn_and_foreign_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "p"
    path.write_bytes(b'"one"\n\xff\n{"a": 1}\n"tw\n[]\n"three"\n"fo')
    assert loaded(path) == ["one", "three"]


def test_a_paste_of_a_book_is_not_kept(tmp_path: Path) -> None:
    PromptHistory(tmp_path / "p").store_string("x" * 100_001)
    assert not (tmp_path / "p").exists()


def test_a_long_file_is_cut_to_its_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_history, "MOST", 3)
    monkeypatch.setattr(prompt_history, "SLACK", 2)
    path = tmp_path / "p"
    for number in range(5):
        PromptHistory(path).store_string(f"{number}")
    assert loaded(path) == ["2", "3", "4"]
    assert path.read_text(encoding="utf-8") == '"2"\n"3"\n"4"\n'


@pytest.mark.parametrize("where", ["folder", "file/below", "x" * 300])
def test_a_disk_that_does_not_take_it_is_no_failure(tmp_path: Path, where: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    history = PromptHistory(tmp_path / where)
    history.append_string("kept in mind")
    assert history.get_strings() == ["kept in mind"]
    assert loaded(tmp_path / where) == []
