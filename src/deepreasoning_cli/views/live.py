"""Rows on a terminal: final ones are written once, live ones are changed in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, takewhile
from operator import itemgetter

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.views.terminal import cell_width

Row = list[Segment]
"""One screen row: no newline, at most the asked width, no spaces at its end."""
StyledCharacter = tuple[str, Style | None]

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
BEGIN_UPDATE, END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"
"""The terminal shows what stands between them at once."""


class LiveArea:
    """The last rows of what was written so far; the cursor rests on the line below them.

    The caller keeps the live rows fewer than the screen has lines, and rows no wider than it.
    """

    def __init__(self, write: Callable[[str], None], colors: ColorSystem | None) -> None:
        self._write = write
        self._colors = colors
        self._live: list[Row] = []

    def draw(self, final: list[Row], live: list[Row]) -> None:
        """Write `final`, which is not touched again, and below it `live`; only what differs."""
        rows = [*final, *live]
        same = _common(self._live, rows)
        if same < max(len(self._live), len(rows)):
            self._write(BEGIN_UPDATE + self._changes(rows, same) + END_UPDATE)
        self._live = live

    def restart(self, columns: int | None = None) -> None:
        """Erase the live rows, which the terminal has wrapped anew at `columns`, if any are given.

        They are erased one by one: to erase the whole screen at once, from its first line on, tmux
        moves it into its scrollback.
        """
        widths = [sum(cell_width(part.text) for part in row) for row in self._live]
        lines = sum(max(-(-width // columns), 1) if columns else 1 for width in widths)
        if lines:
            up, erased = f"\x1b[{lines}A", "\x1b[0K\n" * lines
            self._write(up + erased + up)
        self.forget()

    def forget(self) -> None:
        """Leave the live rows where they are: others have written below them."""
        self._live = []

    def _changes(self, rows: list[Row], same: int) -> str:
        up = len(self._live) - same
        pieces = [f"\x1b[{up}A"] if up else []
        for index in range(same, len(rows)):
            if index >= len(self._live):
                pieces.append(encode_row(rows[index], self._colors))
            elif self._live[index] != rows[index]:
                pieces.append(self._patch(self._live[index], rows[index]))
            pieces.append("\n")
        if len(rows) < len(self._live):
            pieces.append("\x1b[0J")
        return "".join(pieces)

    def _patch(self, old: Row, new: Row) -> str:
        """What turns one line into the other: the cells from the first to the last that differ."""
        before, after = _cells(old), _cells(new)
        if before is None or after is None:
            return f"\x1b[0K{encode_row(new, self._colors)}"
        first = _common(before, after)
        last = len(after)
        if len(before) == len(after):
            while last > first and before[last - 1] == after[last - 1]:
                last -= 1
        erase = "\x1b[0K" if len(before) > len(after) else ""
        changed = encode_row(_segments(after[first:last]), self._colors)
        return f"\x1b[{first + 1}G{erase}{changed}"


def encode_row(row: Row, colors: ColorSystem | None) -> str:
    """The row as the terminal takes it."""
    return "".join(
        part.style.render(part.text, color_system=colors) if part.style else part.text
        for part in row
    )


def _cells(row: Row) -> list[StyledCharacter] | None:
    """One entry for each column; None where a character is not one column wide.

    Terminals do not agree on the width of emoji sequences, so no column behind one is counted on.
    """
    text = "".join(segment.text for segment in row)
    if not (text.isascii() or all(cell_width(character) == 1 for character in text)):
        return None
    return [(character, segment.style) for segment in row for character in segment.text]


def _segments(cells: list[StyledCharacter]) -> Row:
    """The cells joined again, one segment for each run of a style."""
    runs = groupby(cells, key=itemgetter(1))
    return [Segment("".join(text for text, _ in run), style) for style, run in runs]


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many entries both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
