"""The frame of a panel: a box, or two rules that are safe to copy from."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.views.console import cell_width, crop
from deepreasoning_cli.views.live import Row

ALARM = Style(color="yellow", bold=True)
NARROWEST_BOX = 20  # columns; below it the sides of a box cost more than they show


@dataclass(frozen=True, slots=True)
class BorderChars:
    """The characters a frame is drawn with."""

    top: str = "╭─╮"
    bottom: str = "╰─╯"
    side: str = "│"
    line: str = "─"


UNICODE_BORDER = BorderChars()
ASCII_BORDER = BorderChars("+-+", "+-+", "|", "-")


class Frame:
    """Turns content rows into screen rows of at most `columns` cells."""

    def __init__(
        self, columns: int, style: Style, *, box: bool, border: BorderChars = UNICODE_BORDER
    ) -> None:
        self.columns = max(columns, 1)
        self._style = style
        self._border = border
        self._box = box and columns >= NARROWEST_BOX

    @property
    def width(self) -> int:
        """Cells for the content of a row."""
        return self.columns - 4 if self._box else self.columns

    def head(self, title: str) -> Row:
        """The first row, with the title in it."""
        return self._edge(self._border.top, title, self._style)

    def foot(self, words: str, *, alarm: bool = False) -> Row:
        """The last row, with how it goes or went in it; bad news stands out."""
        return self._edge(self._border.bottom, words, ALARM if alarm else self._style)

    def open_foot(self, words: str) -> Row:
        """The last row while the panel is open: only as long as its words, for it moves often."""
        corner = self._border.bottom[0] if self._box else self._border.line
        text = f"{corner}{self._border.line} {words}" if words else f"{corner}{self._border.line}"
        return [Segment(crop(text, self.columns), self._style)]

    def row(self, content: Row) -> Row:
        """A content row in its frame; where it reads from right to left, without a right side.

        Terminals with bidi support move the right side into the text otherwise, and turn inline
        code around that is not isolated.
        """
        left = [Segment(f"{self._border.side} ", self._style)] if self._box else []
        if reads_right_to_left("".join(segment.text for segment in content)):
            return [*left, *map(_isolate, content)]
        if not self._box:
            return content
        gap = max(self.width - sum(cell_width(segment.text) for segment in content), 0)
        right = Segment(f"{' ' * gap} {self._border.side}", self._style)
        return [*left, *content, right]

    def _edge(self, corners: str, words: str, style: Style) -> Row:
        if not self._box:
            corners = self._border.line * 3
        inner = self.columns - 2
        if inner < 1:
            return [Segment(self._border.line * self.columns, style)]
        label = f"{self._border.line} {words} " if words else ""
        label = crop(label, inner)
        label += self._border.line * (inner - cell_width(label))
        return [Segment(f"{corners[0]}{label}{corners[2]}", style)]


def _isolate(segment: Segment) -> Segment:
    """Inline code between first-strong isolates, which take no column; anything else as it is."""
    if segment.style and segment.style.meta.get("code"):
        return Segment(f"\u2068{segment.text}\u2069", segment.style)
    return segment


def reads_right_to_left(text: str) -> bool:
    """Whether most of the letters are of a script written from right to left."""
    if text.isascii():
        return False
    kinds = [unicodedata.bidirectional(character) for character in text]
    backward = sum(kind in ("R", "AL") for kind in kinds)
    return backward > kinds.count("L")
