"""100,000 hostile texts, cut anywhere: the terminal is sent text and our own moves only."""

from __future__ import annotations

import io
import random

import pytest
from rich.color import ColorSystem
from rich.style import Style

from deepreasoning_cli.sanitize import Sanitiser, Sink
from deepreasoning_cli.views import terminal
from deepreasoning_cli.views.live import LiveArea
from deepreasoning_cli.views.markdown.stream import MarkdownStream, PlainStream
from deepreasoning_cli.views.panel import Frame
from support.often import RecordProperty, often
from support.screen import foreign

pytestmark = pytest.mark.no_cover  # the same lines thousands of times: only slower

TEXTS = often(100_000)
SHARES = 8
PARTS = (
    *"abc \n\n\t#*_`|->[]()<>&;!~1.",
    *("\x1b", "\x9b", "\x9d", "\x07", "\x08", "\r", "\x00", "\x0e", "\x7f", "\x85", "\u2028"),
    *("\u202e", "\u2066", "\u2069", "\u200b", "\ufeff", "\u00ad", "\U000e0041", "\U000e007f"),
    *("\ud83d", "\ude00", "🏴", "👍🏽", "e\u0301", "漢字", "مرحبا", "שלום"),
    *(
        "]52;c;AAAA",
        "]0;title",
        "[2J",
        "[1A",
        "[?1049h",
        "\x1b]8;;http://x\x1b\\",
        "\x1bP",
        "\x1bc",
    ),
    *("&#x1b;", "&#27;[2J", "&#x202e;", "&#x200b;", "&#xE0041;", "&NewLine;", "&#x9b;", "&#x85;"),
    *("<http://x/%1b]52;c;AA%07>", "<http://x/%c2%9b>", "[a](javascript:x)", "![i](file:///x)"),
    *("[red]", "[/]", "[link=http://evil]", ":smile:", "<script>", "<think>", "```", "```py\n"),
    *("| a | b |\n|---|---|\n| ", "- ", "1. ", "> ", "# ", "**", "---\n", "===\n"),
)


@pytest.mark.parametrize("share", range(SHARES))
def test_hostile_text_never_drives_the_terminal(
    share: int, record_property: RecordProperty
) -> None:
    dice = random.Random(share)
    rendering = terminal.make_console(io.StringIO(), color=True, columns=80)
    for _ in range(TEXTS // SHARES):
        text = "".join(dice.choices(PARTS, k=dice.randint(1, 12)))
        written: list[str] = []
        width = dice.choice((1, 7, 30, 76))
        rows = (
            MarkdownStream(width, console=rendering)
            if dice.random() < 0.8
            else PlainStream(width, style=Style(dim=True))
        )
        area = LiveArea(written.append, ColorSystem.TRUECOLOR)
        frame = Frame(width + 4, Style(color="blue"), box=True)
        sanitiser = Sanitiser(Sink.TERMINAL)
        cut = dice.randint(0, len(text))
        for piece in (text[:cut], text[cut:]):
            final = [frame.row(row) for row in rows.feed(sanitiser.feed(piece))]
            area.draw(final, [frame.row(row) for row in rows.tail(5)])
        rest = [*rows.feed(sanitiser.close()), *rows.close()]
        area.draw([frame.row(row) for row in rest], [])
        assert foreign("".join(written)) == "", ascii(text)
    record_property("hostile", TEXTS // SHARES)
