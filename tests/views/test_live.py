"""Rows that are written once, and rows that change in place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.views.live import LiveArea, Row
from support.often import often
from support.screen import Terminal, foreign

STYLES = [None, Style(bold=True), Style(color="red", dim=True)]
# pyte shows nothing of a combining mark on an empty line and crashes on skin tones: left out
WORDS = st.text(alphabet="ab 漢字é👍אבç", max_size=12)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    pieces = draw(st.lists(st.tuples(WORDS, st.sampled_from(STYLES)), max_size=3))
    return [Segment(text, style) for text, style in pieces]


STEPS = st.lists(st.tuples(st.lists(rows(), max_size=6), st.lists(rows(), max_size=5)), max_size=12)


def text_of(row: Row) -> str:
    return "".join(segment.text for segment in row)


def as_shown(row: Row) -> str:
    """The row as an emulator of 80 columns keeps it: rendered alone on a fresh screen."""
    terminal = Terminal()
    terminal.write(text_of(row))
    return (terminal.lines() or [""])[0]


def shown(rows: list[Row]) -> list[str]:
    lines = [as_shown(row) for row in rows]
    while lines and not lines[-1]:
        lines.pop()
    return lines


@pytest.mark.no_cover  # the same lines thousands of times: only slower
@settings(max_examples=often(150, 1000))
@given(STEPS)
def test_every_final_row_stands_once_and_the_live_ones_as_they_are_now(
    steps: list[tuple[list[Row], list[Row]]],
) -> None:
    terminal = Terminal(80, 8)
    area = LiveArea(terminal.write, ColorSystem.TRUECOLOR)
    final: list[Row] = []
    live: list[Row] = []
    for finished, live in steps:
        area.draw(finished, live)
        final += finished
    assert terminal.lines() == shown([*final, *live])
    assert foreign(terminal.text) == ""


def test_rows_that_did_not_change_are_not_written_again() -> None:
    written: list[str] = []
    area = LiveArea(written.append, None)
    area.draw([], [[Segment("one")], [Segment("two")]])
    area.draw([[Segment("one")]], [[Segment("two")]])
    assert written == ["\x1b[?2026hone\ntwo\n\x1b[?2026l"]


def test_a_word_at_the_end_of_a_row_is_all_that_is_written() -> None:
    written: list[str] = []
    area = LiveArea(written.append, None)
    area.draw([], [[Segment("| one       |")], [Segment("+--+")]])
    area.draw([], [[Segment("| one two   |")], [Segment("+--+")]])
    assert written[1] == "\x1b[?2026h\x1b[2A\x1b[7Gtwo\n\n\x1b[?2026l"


def test_a_row_with_a_wide_character_is_written_whole() -> None:
    written: list[str] = []
    area = LiveArea(written.append, None)
    area.draw([], [[Segment("漢字 a")]])
    area.draw([], [[Segment("漢字 b")]])
    assert written[1] == "\x1b[?2026h\x1b[1A\x1b[0K漢字 b\n\x1b[?2026l"


def test_after_a_restart_the_live_rows_are_gone() -> None:
    terminal = Terminal(20, 5)
    area = LiveArea(terminal.write, None)
    area.draw([[Segment("kept")]], [[Segment("live")]])
    area.restart()
    area.draw([], [[Segment("new")]])
    assert terminal.lines() == ["kept", "new"]


@pytest.mark.parametrize("widths", [[50], [3, 0, 20, 21], [40, 5, 60]])
def test_rows_that_the_terminal_has_wrapped_anew_are_erased_whole(widths: list[int]) -> None:
    terminal = Terminal(20, 24)  # it wraps at once what a terminal of 60 columns wraps later
    area = LiveArea(terminal.write, None)
    area.draw([[Segment("kept")]], [[Segment("x" * width)] if width else [] for width in widths])
    area.restart(20)
    area.draw([], [[Segment("new")]])
    assert terminal.lines() == ["kept", "new"]
    assert foreign(terminal.text) == ""


def test_forgotten_rows_stay_where_they_are() -> None:
    terminal = Terminal(20, 5)
    area = LiveArea(terminal.write, None)
    area.draw([], [[Segment("live")]])
    terminal.write("$ fg\n")
    area.forget()
    area.draw([[Segment("live and final")]], [])
    assert terminal.lines() == ["live", "$ fg", "live and final"]
