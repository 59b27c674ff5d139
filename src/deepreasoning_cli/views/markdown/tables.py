"""A table of Markdown to rows: whole, or row by row once enough rows have decided the widths."""

from __future__ import annotations

from typing import Final

from rich.style import Style

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.block_rules import PLACEHOLDER
from deepreasoning_cli.views.markdown.elements import Block, Layout, SourceLines
from deepreasoning_cli.views.markdown.inline import to_runs
from deepreasoning_cli.views.markdown.parser import Node
from deepreasoning_cli.views.markdown.wrap import (
    Run,
    longest_word,
    row,
    runs_width,
    wrap_words,
)

SAMPLE_ROWS: Final = 20
"""Body rows that decide, with the head, how wide the columns are; a longer table does not wait."""
_GAP: Final = 2
_LONGEST_WORD: Final = 16
"""Cells up to which a word is not cut in a column; rather the cells stand one under the other."""

Cell = list[Run]


class TableBlock(Block):
    """A table: whole, or row by row from when enough rows have decided the columns' widths."""

    def __init__(self) -> None:
        self._wishes: list[int] = []  # cells that each column wants, once the table has begun
        self._words: list[int] = []  # cells that each column must have for its words
        self._sides: list[str] = []  # to which side each column leans

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the table's rows that are new."""
        head, *body = node.children
        if not (self.begun or closed or len(body) > SAMPLE_ROWS):
            return []
        rows: list[Row] = []
        style = layout.theme.style("markdown.paragraph")
        lines = [_cells(line, layout, style) for line in body]
        if not self.begun:
            self.begun = True
            titles = _cells(head, layout, layout.theme.style("bold"))
            columns = list(zip(titles, *lines[:SAMPLE_ROWS], strict=True))
            self._wishes = [max(1, *map(runs_width, column)) for column in columns]
            words = [max(1, *map(longest_word, column)) for column in columns]
            self._words = [min(word, _LONGEST_WORD) for word in words]
            self._sides = node.token.meta["sides"]
            rows += [*self._row(titles, layout.width), *self._rule(layout)]
        return rows + [part for line in lines for part in self._row(line, layout.width)]

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """A head of as many columns, and what comes after the rows."""
        count = len(self._sides)
        head = [f"{source.lead}|{cell * count}" for cell in (f"{PLACEHOLDER}|", "-|")]
        return [*head, *source.lines[node.end :]]

    def _row(self, cells: list[Cell], width: int) -> list[Row]:
        """The screen rows of one table row; one under the other where columns have no room."""
        sizes = self._sizes(width)
        if sizes is None:
            return [row(line) for cell in cells for line in wrap_words(cell, width)]
        columns = [wrap_words(cell, size) for cell, size in zip(cells, sizes, strict=True)]
        height = max(1, *map(len, columns))
        return [
            row(
                run
                for lines, size, side in zip(columns, sizes, self._sides, strict=True)
                for run in _placed(lines[index] if index < len(lines) else [], size, side)
            )
            for index in range(height)
        ]

    def _rule(self, layout: Layout) -> list[Row]:
        """The row between head and body."""
        if (sizes := self._sizes(layout.width)) is None:
            return []
        line = (" " * _GAP).join(layout.theme.line * size for size in sizes)
        return [row([(line, layout.theme.style("markdown.hr"))])]

    def _sizes(self, width: int) -> list[int] | None:
        """The width of each column: what it wishes, or what its words need and a fair share.

        None if there is no room for that.
        """
        count = len(self._wishes)
        room = width - _GAP * (count - 1) - sum(self._words)
        if room < 0:
            return None
        sizes = self._words.copy()
        more = [wish - word for wish, word in zip(self._wishes, self._words, strict=True)]
        for done, column in enumerate(sorted(range(count), key=more.__getitem__)):
            share = min(more[column], room // (count - done))
            sizes[column] += share
            room -= share
        return sizes


def _cells(line: Node, layout: Layout, style: Style) -> list[Cell]:
    return [
        to_runs(layout.parser.inline(cell.content), layout.theme, style) for cell in line.children
    ]


def _placed(runs: Cell, size: int, side: str) -> Cell:
    """One line of a cell, filled up to its column's width and the gap behind it."""
    null = Style.null()
    trimmed = [(text, style or null) for text, style, _ in row(runs)]
    blank = max(0, size - runs_width(trimmed))
    left = {"right": blank, "center": blank // 2}.get(side, 0)
    return [(" " * left, null), *trimmed, (" " * (blank - left + _GAP), null)]
