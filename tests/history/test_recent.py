"""The files that the shells read at TAB."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.history import recent
from support.runner import run
from support.sample_turns import open_store

DEMO = ("--backend", "demo", "--handoff", "none")


def turns(folder: Path) -> list[list[str]]:
    text = (folder / recent.TURNS).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines()]


def test_the_newest_turn_comes_first_and_none_is_there_twice(tmp_path: Path) -> None:
    recent.add_turn(tmp_path, "a", "First?", None)
    recent.add_turn(tmp_path, "b", "Second\n\tquestion?", "work")
    recent.add_turn(tmp_path, "a", "First?", "work")
    assert turns(tmp_path) == [["a", "First?", "work"], ["b", "Second question?", "work"]]


def test_no_more_than_fifty_are_kept(tmp_path: Path) -> None:
    for number in range(60):
        recent.add_turn(tmp_path, f"t{number}", "Why?", None)
    assert [turn for turn, _, _ in turns(tmp_path)] == [f"t{n}" for n in range(59, 9, -1)]


@given(prompt=st.text(max_size=300), session=st.none() | st.text(max_size=20))
def test_whatever_is_asked_a_line_has_three_harmless_fields(
    tmp_path_factory: pytest.TempPathFactory, prompt: str, session: str | None
) -> None:
    folder = tmp_path_factory.mktemp("data")
    recent.add_turn(folder, "a", prompt, session)
    text = (folder / recent.TURNS).read_bytes().decode()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert [len(line.split("\t")) for line in text.splitlines()] == [3]
    assert not any(ord(character) < 32 and character not in "\t\n" for character in text)
    assert turns(folder)[0][2] in ("", session)


def test_a_damaged_file_costs_its_lines(tmp_path: Path) -> None:
    (tmp_path / recent.TURNS).write_bytes(b"only one field\n\xff\xfe\t\n")
    recent.add_turn(tmp_path, "a", "Why?", None)
    assert turns(tmp_path) == [["a", "Why?", ""]]


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    recent.add_turn(tmp_path / "file", "a", "Why?", None)
    recent.remember_hosts(tmp_path / "file", ["lab"], [])


def test_hosts_are_written_where_they_changed_and_not_made_for_nothing(tmp_path: Path) -> None:
    recent.remember_hosts(tmp_path, [], [])
    assert not (tmp_path / recent.HOSTS).exists()
    recent.remember_hosts(tmp_path, ["lab"], ["local"])
    assert (tmp_path / recent.HOSTS).read_text() == "reasoner\tlab\nanswerer\tlocal\n"
    before = (tmp_path / recent.HOSTS).stat().st_ino
    recent.remember_hosts(tmp_path, ["lab"], ["local"])
    assert (tmp_path / recent.HOSTS).stat().st_ino == before
    recent.remember_hosts(tmp_path, [], [])
    assert (tmp_path / recent.HOSTS).read_text() == ""


def test_a_turn_is_offered_once_it_is_kept_and_no_more_once_it_is_deleted(tmp_path: Path) -> None:
    env = {"DEEPREASONING_DATA_DIR": str(tmp_path)}
    assert run("ask", *DEMO, "--no-save", "Secret?", env=env).code == 0
    assert not (tmp_path / recent.TURNS).exists()
    done = run("ask", *DEMO, "--json", "--session", "work", "Why is it so?", env=env)
    turn = json.loads(done.stdout)["id"]
    assert turns(tmp_path) == [[turn, "Why is it so?", "work"]]
    assert stat.S_IMODE((tmp_path / recent.TURNS).stat().st_mode) == 0o600
    assert run("history", "rename", "work", "play", env=env).code == 0
    assert turns(tmp_path) == [[turn, "Why is it so?", "play"]]
    assert run("history", "delete", turn, "--yes", env=env).code == 0
    assert turns(tmp_path) == []


def test_without_a_history_nothing_is_kept(tmp_path: Path) -> None:
    env = {"DEEPREASONING_DATA_DIR": str(tmp_path / "data"), "DEEPREASONING_HISTORY": "false"}
    assert run("ask", *DEMO, "Why?", env=env).code == 0
    assert not (tmp_path / "data").exists()


def test_all_that_is_deleted_is_gone_from_the_file_too(tmp_path: Path) -> None:
    recent.add_turn(tmp_path, "stray", "Not in the database?", None)
    with open_store(tmp_path) as store:
        store.delete_all()
    assert not (tmp_path / recent.TURNS).exists()


def test_hosts_of_ones_own_are_offered_once_they_are_set_or_used(tmp_path: Path) -> None:
    config, data = tmp_path / "config.toml", tmp_path / "data"
    env = {"DEEPREASONING_DATA_DIR": str(data), "DEEPREASONING_CONFIG": str(config)}
    config.touch(0o600)
    config.write_text('[reasoners.lab]\nbase_url = "http://gpu/v1"\nmodel = "r1"\n')
    assert run("ask", *DEMO, "Why?", env=env).code == 0
    assert (data / recent.HOSTS).read_text() == "reasoner\tlab\n"
    assert run("config", "unset", "reasoners.lab", env=env).code == 0
    assert (data / recent.HOSTS).read_text() == ""
