"""Streaming text to screen rows that are final: Markdown, and text as it is.

A stream hands out each row once, when nothing that may follow can change it; all rows together are
those of the whole text. Its text is sanitised: the only control characters are LF and TAB.

The modules below do the work: `parser` parses, `elements` and `containers` lay blocks out, `wrap`
breaks rows. Two things differ from the whole text's rows: an emphasis, link or code span is taken
for text if it is still open after 2,000 characters, and rows shown before a resize keep their
width.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from rich.console import Console
from rich.style import Style

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.block_rules import LONG, PLACEHOLDER
from deepreasoning_cli.views.markdown.containers import BlockSequence
from deepreasoning_cli.views.markdown.elements import SPAN_LIMIT, Layout, SourceLines
from deepreasoning_cli.views.markdown.inline import TAB, Theme, row_text
from deepreasoning_cli.views.markdown.parser import Node, Parser, last_leaf
from deepreasoning_cli.views.markdown.wrap import Run, row, wrap_words

CODE_THEME: Final = "ansi_dark"
_BLANKS: Final = 64
_PLACEHOLDER_LINE: Final = re.compile(
    rf"[^\w{PLACEHOLDER}]*\d*[^\w{PLACEHOLDER}]*{PLACEHOLDER}[\s|{PLACEHOLDER}]*"
)
"""A line that holds the place of text that was shown, and no text of its own."""


class MarkdownStream:
    """Markdown as it comes.

    `width` in cells (≥ 1); `code_theme` is a Pygments style or Rich's `ansi_dark` or `ansi_light`.
    """

    def __init__(self, width: int, *, console: Console, code_theme: str = CODE_THEME) -> None:
        self._layout = Layout(Parser(), Theme(console, code_theme), max(width, 1))
        self._flow = BlockSequence()
        self._lines = ""  # whole lines that are not final
        self._line: list[str] = []  # pieces of the line that has not ended
        self._length = 0
        self._next_try = LONG
        self._next_parse = 0
        self._tail: list[Row] | None = None

    @property
    def unfinished(self) -> str:
        """The text whose rows are not final."""
        carry, text = self._flow.carry(), self._lines + "".join(self._line)
        if PLACEHOLDER in text:
            lines = (line for line in text.split("\n") if not _PLACEHOLDER_LINE.fullmatch(line))
            text = "\n".join(lines).replace(PLACEHOLDER, "")
        return carry + text

    def feed(self, text: str) -> list[Row]:
        """Take the next piece; return the rows that are final now, each once, in order."""
        self._tail = None
        head, end, rest = text.rpartition("\n")
        if end:
            return self._feed_lines("".join([*self._line, head, end]), rest)
        self._line.append(text)
        self._length += len(text)
        return self._feed_line() if self._length > self._next_try else []

    def tail(self, limit: int) -> list[Row]:
        """The last rows, at most `limit`, of what is not final, as it looks now."""
        if self._tail is None:
            # Of a line without an end in sight no more is looked at than can be seen.
            line = "".join(self._line)[-(SPAN_LIMIT + 2 * limit * self._layout.width) :]
            layout = replace(self._layout, parser=self._layout.parser.fork())
            document = layout.parser.blocks(self._lines + line)
            self._tail = self._flow.fork().feed(document, True, layout)
        return self._tail[-limit:] if limit > 0 else []

    def close(self) -> list[Row]:
        """Return all that is left: nothing more comes."""
        document = self._layout.parser.blocks(self._lines + "".join(self._line))
        rows = self._flow.feed(document, True, self._layout)
        self._flow, self._lines, self._tail, self._next_parse = BlockSequence(), "", None, 0
        self._set_line("")
        return rows

    def resize(self, width: int) -> None:
        """Lay out in so many cells from now on."""
        self._layout = Layout(self._layout.parser, self._layout.theme, max(width, 1))
        self._tail = None

    def _feed_lines(self, lines: str, rest: str) -> list[Row]:
        """Only whole lines end a block: `a` over `#` is a heading, over `#b` it is not."""
        self._lines += lines
        self._set_line(rest)
        blank = not lines.strip() and not self._lines.endswith("\n" * _BLANKS)
        if blank or len(self._lines) < self._next_parse:
            return []
        rows, self._lines = self._final(self._lines, self._layout.parser.blocks(self._lines))
        self._next_parse = len(self._lines) * 9 // 8  # else much that stays open costs its square
        return rows

    def _feed_line(self) -> list[Row]:
        """A line that is long enough may be known for a paragraph's before it has ended."""
        line = "".join(self._line)
        source = self._lines + line
        document = self._layout.parser.blocks(source)
        rows: list[Row] = []
        if _is_text(last_leaf(document), source):
            rows, source = self._final(source, document)
            self._lines, end, line = source.rpartition("\n")
            self._lines += end
        self._set_line(line)
        return rows

    def _set_line(self, line: str) -> None:
        """Begin with this line; look again when two rows or an eighth have come on top of it."""
        self._line, self._length = [line], len(line)
        grown = max(len(line) + 2 * self._layout.width, len(line) * 9 // 8)
        self._next_try = grown if PLACEHOLDER in line else max(LONG, grown)

    def _final(self, source: str, document: Node) -> tuple[list[Row], str]:
        """The rows that are final, and the source without what they need no more."""
        rows = self._flow.feed(document, False, self._layout)
        lines = self._flow.keep(document, SourceLines(source.split("\n")))
        if lines[-_BLANKS:] == [""] * _BLANKS and last_leaf(document).kind != "code_block":
            del lines[4 - _BLANKS :]  # outside code three blank lines say what a thousand say
        return rows, "\n".join(lines)


class PlainStream:
    """Text as it comes, unrendered: wrapped at words, without blank rows at its start and end."""

    def __init__(self, width: int, *, style: Style | None = None) -> None:
        self._width = max(width, 1)
        self._style = style or Style.null()
        self._blanks: int | None = None  # blank lines since the last row, if there was one
        self._keep("", 0)

    @property
    def unfinished(self) -> str:
        """The text whose rows are not final."""
        return "".join(self._line)

    def feed(self, text: str) -> list[Row]:
        """Take the next piece; return the rows that are final now, each once, in order."""
        *lines, rest = text.split("\n")
        rows: list[Row] = []
        for line in lines:
            self._line.append(line)
            rows += self._ended()
        self._line.append(rest)
        self._length += len(rest)
        return rows + self._full() if self._length > self._next_try else rows

    def tail(self, limit: int) -> list[Row]:
        """The last rows, at most `limit`, of what is not final, as it looks now."""
        rows = self._rows(self._parts())
        return [*[[]] * (self._blanks or 0), *rows][-limit:] if limit > 0 and any(rows) else []

    def close(self) -> list[Row]:
        """Return all that is left: nothing more comes."""
        rows = self._ended()
        self._blanks = None
        return rows

    def resize(self, width: int) -> None:
        """Lay out in so many cells from now on."""
        self._width = max(width, 1)

    def _ended(self) -> list[Row]:
        """The rows of the line, which has ended; blank ones wait for the next that is not."""
        rows = self._rows(self._parts())
        self._keep("", 0)
        if any(rows):
            return self._spaced(rows)
        if self._blanks is not None:
            self._blanks += 1
        return []

    def _full(self) -> list[Row]:
        """The full rows of the line, which goes on."""
        parts = self._parts()
        *full, last = ("".join(text for text, _ in part) for part in parts)
        self._keep(last, self._column + sum(map(len, full)))
        return self._spaced(self._rows(parts[:-1])) if full else []

    def _keep(self, text: str, column: int) -> None:
        """Wait for more of a line, of which `text`, behind `column` characters, is not shown."""
        self._line, self._length, self._column = [text], len(text), column
        self._next_try = len(text) + 2 * self._width

    def _parts(self) -> list[list[Run]]:
        """The line as far as it is not shown, in rows, its tabs expanded."""
        before = self._column % TAB
        text = (" " * before + "".join(self._line)).expandtabs(TAB)[before:]
        return wrap_words([(text, self._style)], self._width)

    def _rows(self, parts: list[list[Run]]) -> list[Row]:
        return [row((row_text(text), style) for text, style in part) for part in parts]

    def _spaced(self, rows: list[Row]) -> list[Row]:
        blanks, self._blanks = self._blanks or 0, 0
        return [*[[]] * blanks, *rows]


def render_markdown(
    text: str, width: int, *, console: Console, code_theme: str = CODE_THEME
) -> list[Row]:
    """The rows of a complete Markdown text."""
    layout = Layout(Parser(), Theme(console, code_theme), max(width, 1))
    return BlockSequence().feed(layout.parser.blocks(text), True, layout)


def render_plain(text: str, width: int, *, style: Style | None = None) -> list[Row]:
    """The rows of a complete text, as it is."""
    stream = PlainStream(width, style=style)
    return stream.feed(text) + stream.close()


def _is_text(leaf: Node, source: str) -> bool:
    """Whether the unended last line of `source` is a paragraph's, however it may go on."""
    if leaf.kind != "paragraph" or leaf.end != source.count("\n") + 1:
        return False
    line = leaf.content.rpartition("\n")[2]
    surely = len(line) > LONG or line.startswith(PLACEHOLDER)
    return surely and bool(line.strip(f"{PLACEHOLDER}-:|= \t"))
