"""What a command says beside its output is one safe line, and nothing with --quiet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.cli import boundary
from deepreasoning_cli.cli.messages import LONGEST, debug_log, message, note, warn
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import UsageError
from deepreasoning_cli.views.base import wrap_lines


def test_it_is_one_line_on_stderr_that_cannot_drive_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    note(GlobalOptions(), "two\nlines, and \x1b[2J")
    assert capsys.readouterr() == ("", "note: two lines, and ␛[2J\n")


def test_a_long_one_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    warn(GlobalOptions(), "x" * 2 * LONGEST)
    kept = LONGEST - len("warning: …")
    assert capsys.readouterr() == ("", f"warning: {'x' * kept}…\n")


def test_a_confirmation_has_no_kind(capsys: pytest.CaptureFixture[str]) -> None:
    message(GlobalOptions(), "", "wrote it")
    assert capsys.readouterr() == ("", "wrote it\n")


def test_quiet_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for say in (note, warn):
        say(GlobalOptions(quiet=True), "something")
    message(GlobalOptions(quiet=True), "", "done")
    assert capsys.readouterr() == ("", "")


def test_the_debug_log_is_for_those_who_ask_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    for debug in (False, True):
        debug_log(GlobalOptions(debug=debug, quiet=True))("POST /v1\n")
    assert capsys.readouterr() == ("", "debug: POST /v1\n")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/usr/bin/dr", "dr"),
        ("C:\\\\bin\\\\dr.EXE", "dr"),
        ("dr", "dr"),
        ("/x/deepreasoning", "deepreasoning"),
        ("/x/__main__.py", "deepreasoning"),
    ],
)
def test_commands_in_texts_bear_the_name_that_was_called(
    called: str, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [called])
    boundary.write_stderr("hint: `deepreasoning resume x` of deepreasoning-cli")
    assert capsys.readouterr().err == f"hint: `{name} resume x` of deepreasoning-cli\n"


def test_each_hint_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("no", hint=("two", "three"))
    error.advise("one", first=True)
    error.advise("three")
    assert boundary.report(error, as_json=False, debug=False) == 2
    assert capsys.readouterr().err == "error: no\nhint: one\nhint: two\nhint: three\n"


@given(
    words=st.lists(st.text("abc-`", min_size=1, max_size=9), min_size=1),
    columns=st.integers(12, 80),
)
def test_a_terminal_never_cuts_a_word(words: list[str], columns: int) -> None:
    rows = wrap_lines(" ".join(words), columns).split("\n")
    assert " ".join(rows).split() == words
    assert all(len(row) <= columns for row in rows)
