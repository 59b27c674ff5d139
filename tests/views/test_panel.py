"""The frame of a panel, at every width."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.stream import render_markdown
from deepreasoning_cli.views.panel import Frame, reads_right_to_left

PLAIN = Style()


def text(row: Row) -> str:
    return "".join(segment.text for segment in row)


def test_a_box_surrounds_title_text_and_foot() -> None:
    frame = Frame(24, PLAIN, box=True)
    rows = [frame.head("Answer"), frame.row([Segment("漢字 and words")]), frame.foot("8.2 s")]
    assert [text(row) for row in rows] == [
        "╭─ Answer ─────────────╮",
        "│ 漢字 and words       │",
        "╰─ 8.2 s ──────────────╯",
    ]
    assert frame.width == 20


def test_rules_leave_the_text_alone_to_be_copied() -> None:
    frame = Frame(24, PLAIN, box=False)
    rows = [frame.head("Answer"), frame.row([Segment("words")]), frame.foot("")]
    assert [text(row) for row in rows] == ["── Answer ──────────────", "words", "─" * 24]


def test_a_terminal_without_box_characters_gets_ascii() -> None:
    frame, stream = Frame(20, PLAIN, box=True), io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    rows = [frame.head("A"), frame.row([Segment("b")]), frame.foot("c")]
    assert [terminal.to_charset(text(row), stream) for row in rows] == [
        "+- A --------------+",
        "| b                |",
        "+- c --------------+",
    ]


@pytest.mark.parametrize("columns", [0, 1, 2, 3, 5, 10, 19, 20, 21, 80])
@pytest.mark.parametrize("words", ["", "Reasoning · a model", "漢字漢字漢字漢字漢字漢字"])
def test_no_row_of_the_frame_is_wider_than_the_terminal(columns: int, words: str) -> None:
    frame = Frame(columns, PLAIN, box=True)
    assert cell_len(text(frame.head(words))) == max(columns, 1)
    assert cell_len(text(frame.foot(words, alarm=True))) == max(columns, 1)
    assert frame.width >= 1


@pytest.mark.parametrize("columns", range(6, 60))
def test_a_figure_that_has_no_room_is_left_out_and_never_cut(columns: int) -> None:
    words = "thought 2.6 s · ≈183 tokens · ≈$0.0004"
    for row in (
        Frame(columns, PLAIN, box=True).foot(words),
        Frame(columns, PLAIN, box=False).open_foot(words),
    ):
        shown = text(row).strip("╰╯─ ")
        first, *figures = shown.split(" · ")
        assert first == "thought 2.6 s" or (not figures and first.rstrip("…") in "thought 2.6 s")
        assert set(figures) <= set(words.split(" · "))


def test_titles_and_figures_are_in_the_terminals_own_colour() -> None:
    """Dim blue cannot be read on the standard palette of many terminals."""
    frame = Frame(60, Style(color="blue", dim=True), box=True)
    for row in (frame.head("Answer"), frame.foot("8.2 s"), frame.open_foot("8.2 s")):
        blue = "".join(part.text for part in row if part.style and part.style.color)
        assert not blue.strip("╭╮╰╯─ ")
        assert blue


def test_text_and_code_are_in_colours_that_every_palette_shows() -> None:
    """Blue is too dark on the black of many terminals, bright colours are greys in Solarized."""
    rendering = terminal.make_console(io.StringIO(), color=True, columns=80)
    code = (
        '```python\nclass A(int):\n    """doc"""\n    def f(self): return [1, None]  # why\n```\n'
    )
    text = "# Head\n\n`code` [a link](https://example.org) <https://example.org>\n\n" + code
    shown = {
        part.style.color.number
        for row in render_markdown(text, 80, console=rendering)
        for part in row
        if part.text.strip() and part.style and part.style.color
    }
    assert shown == {2, 3, 5, 6}  # green, yellow, magenta, cyan


def test_text_from_right_to_left_has_no_right_side() -> None:
    frame = Frame(40, PLAIN, box=True)
    assert text(frame.row([Segment("مرحبا بالعالم hello")])) == "│ مرحبا بالعالم hello"
    assert text(frame.row([Segment("hello مرحبا world")])).endswith(" │")


@pytest.mark.parametrize(
    ("words", "backward"),
    [
        ("hello", False),
        ("שלום", True),
        ("123 456", False),
        ("", False),
        ("שלום לך חבר friend", True),
    ],
)
def test_the_direction_is_that_of_most_letters(words: str, backward: bool) -> None:
    assert reads_right_to_left(words) is backward


def test_inline_code_in_text_from_right_to_left_is_isolated() -> None:
    rendering = terminal.make_console(io.StringIO(), color=False, columns=80)
    rows = render_markdown("استخدم `pip install` الآن من فضلك", 60, console=rendering)
    frame = Frame(64, PLAIN, box=True)
    assert text(frame.row(rows[0])) == "│ استخدم \u2068pip install\u2069 الآن من فضلك"
    latin = render_markdown("use `pip install` now", 60, console=rendering)
    assert "\u2068" not in text(frame.row(latin[0]))
