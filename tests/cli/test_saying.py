"""What a command says beside its output is one safe line, and nothing with --quiet."""

from __future__ import annotations

import pytest

from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.cli.saying import LONGEST, say


def test_it_is_one_line_on_stderr_that_cannot_drive_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say(Globals(), "note", "two\nlines, and \x1b[2J")
    assert capsys.readouterr() == ("", "note: two lines, and ␛[2J\n")


def test_a_long_one_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    say(Globals(), "warning", "x" * 1000)
    assert capsys.readouterr() == ("", f"warning: {'x' * (LONGEST - 1)}…\n")


def test_quiet_means_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    say(Globals(quiet=True), "note", "something")
    assert capsys.readouterr() == ("", "")
