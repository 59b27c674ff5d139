"""A table's cells to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.style import Style

from deepreasoning_cli.views.wrap import Row, Run, row, width_of, wrapped

DECIDING: Final = 20
"""Body rows that decide, with the head, how wide the columns are; a longer table does not wait."""
_GAP: Final = 2
_LEAST: Final = 3

Cell = list[Run]


@dataclass(frozen=True, slots=True)
class Columns:
    """How wide the columns want to be, in cells, and to which side they lean."""

    wishes: tuple[int, ...]
    sides: tuple[str, ...]

    @classmethod
    def of(cls, lines: list[list[Cell]], sides: tuple[str, ...]) -> Columns:
        """The columns of a table whose head and first body rows are `lines`."""
        wishes = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
        return cls(tuple(wishes), sides)

    def row(self, cells: list[Cell], width: int) -> list[Row]:
        """The screen rows of one table row; one under the other where columns have no room."""
        sizes = self.sizes(width)
        if sizes is None:
            return [row(line) for cell in cells for line in wrapped(cell, width)]
        columns = [wrapped(cell, size) for cell, size in zip(cells, sizes, strict=True)]
        height = max(1, *map(len, columns))
        return [
            row(
                run
                for lines, size, side in zip(columns, sizes, self.sides, strict=True)
                for run in _placed(lines[index] if index < len(lines) else [], size, side)
            )
            for index in range(height)
        ]

    def rule(self, width: int, line: str, style: Style) -> list[Row]:
        """The row between head and body."""
        sizes = self.sizes(width)
        if sizes is None:
            return []
        return [row([((" " * _GAP).join(line * size for size in sizes), style)])]

    def sizes(self, width: int) -> list[int] | None:
        """The width of each column: what it wishes, or a fair share; None if there is no room."""
        count = len(self.wishes)
        room = width - _GAP * (count - 1)
        if room < _LEAST * count:
            return None
        sizes = [0] * count
        for done, column in enumerate(sorted(range(count), key=self.wishes.__getitem__)):
            sizes[column] = min(max(self.wishes[column], 1), room // (count - done))
            room -= sizes[column]
        return sizes


def _placed(runs: Cell, size: int, side: str) -> Cell:
    """One line of a cell, filled up to its column's width and the gap behind it."""
    text = "".join(text for text, _ in runs)
    trimmed = _trimmed(runs, len(text.rstrip()))
    blank = max(0, size - width_of(trimmed))
    left = {"right": blank, "center": blank // 2}.get(side, 0)
    null = Style.null()
    return [(" " * left, null), *trimmed, (" " * (blank - left + _GAP), null)]


def _trimmed(runs: Cell, length: int) -> Cell:
    kept: Cell = []
    for text, style in runs:
        kept.append((text[:length], style))
        length -= len(kept[-1][0])
    return kept
