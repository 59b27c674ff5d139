"""Generated documents through a terminal emulator: the scrollback holds the whole text, once."""

from __future__ import annotations

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.live import LiveArea, Row
from deepreasoning_cli.views.markdown.stream import MarkdownStream, render_markdown
from deepreasoning_cli.views.panel import Frame
from support.markdown_documents import documents, pieces
from support.often import often
from support.screen import Terminal, foreign

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower

PLAIN = Style()
CONSOLE = terminal.make_console(io.StringIO(), color=True, columns=80)


def as_kept(rows: list[Row]) -> list[str]:
    """The lines that a terminal keeps of rows written one below the other, and nothing else."""
    terminal = Terminal(200, 5)
    for row in rows:
        terminal.write("".join(segment.text for segment in row) + "\n")
    return terminal.lines()


@pytest.mark.parametrize(("columns", "height"), [(80, 24), (40, 10), (20, 5)])
@settings(max_examples=often(150))
@given(document=documents(), seed=st.integers(0, 2**32))
def test_streamed_in_any_pieces_the_scrollback_holds_the_whole_text_once(
    columns: int, height: int, document: str, seed: int
) -> None:
    terminal = Terminal(columns, height)
    area = LiveArea(terminal.write, None)
    frame = Frame(columns, PLAIN, box=True)
    stream = MarkdownStream(frame.width, console=CONSOLE)
    dice = random.Random(seed)
    tallest = max(min(10, height - 4), 1)

    def framed(rows: list[Row]) -> list[Row]:
        return [frame.row(row) for row in rows]

    for piece in pieces(document, seed):
        final = framed(stream.feed(piece))
        if final or dice.random() < 0.3:
            area.draw(final, [*framed(stream.tail(tallest)), frame.open_foot("1 s")])
    area.draw([*framed(stream.close()), frame.foot("done")], [])
    expected = [
        *framed(render_markdown(document, frame.width, console=CONSOLE)),
        frame.foot("done"),
    ]
    assert terminal.lines() == as_kept(expected)
    assert foreign(terminal.text) == ""
