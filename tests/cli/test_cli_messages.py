"""What a command says beside its output is one safe line, and nothing with --quiet."""

from __future__ import annotations

import pytest

from deepreasoning_cli.cli.messages import LONGEST, debug_log, message, note, warn
from deepreasoning_cli.cli.options import GlobalOptions


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
