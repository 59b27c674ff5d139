"""Aligned columns of plain text, for lists: whole in a pipe, fitted to a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.sanitize import single_line
from deepreasoning_cli.views.terminal import UNDERLINED, cell_width, styled, truncate

GAP: Final = "  "
LONGEST: Final = 1000  # characters of a cell; nothing that is listed comes near
NARROWEST: Final = 8  # cells that a column keeps when it is cut


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, the side it leans to, and what becomes of it where there is little room.

    A column is cut down to `min_width` cells before any is left out; 0 means that it is not. Then
    the highest `drop_order` goes first, 0 never. One whose cells are all empty is not shown;
    a blank in one of them keeps it.
    """

    title: str
    right: bool = False
    drop_order: int = 0
    min_width: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """The lines to print, heading first, and the titles of the columns left out for lack of room.

    No line ends in a blank.
    """

    lines: tuple[str, ...]
    dropped_titles: tuple[str, ...] = ()


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    styles: Sequence[str] | None = None,
) -> Table:
    """Lay out `rows`, one cell a column, in at most `width` cells; None is a pipe: all of it.

    Cells may hold anything: they are made safe and put on one line here. `styles` has a style for
    each row, "" for none, where colour is wanted: the heading is underlined then.
    """
    cells = [[single_line(cell, LONGEST) for cell in row] for row in rows]
    filled = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    lines = [[column.title for column in columns], *cells]
    sizes = {index: max(cell_width(line[index]) for line in lines) for index in filled}
    if width is not None:
        _drop(columns, sizes, width)
        _shrink(sizes, _floors(columns, sizes), width)
        _shrink(sizes, dict.fromkeys(sizes, NARROWEST), width)
    laid_out = [_line(columns, line, sizes, width) for line in lines]
    if styles is not None:
        styled_lines = zip(laid_out, (UNDERLINED, *styles), strict=True)
        laid_out = [styled(line, style) for line, style in styled_lines]
    return Table(
        tuple(laid_out), tuple(columns[index].title for index in filled if index not in sizes)
    )


def _total(sizes: dict[int, int]) -> int:
    return sum(sizes.values()) + len(GAP) * (len(sizes) - 1)


def _floors(columns: Sequence[Column], sizes: dict[int, int]) -> dict[int, int]:
    return {index: min(size, columns[index].min_width or size) for index, size in sizes.items()}


def _drop(columns: Sequence[Column], sizes: dict[int, int], width: int) -> None:
    """Leave columns out until the rest fits, or nothing may be left out any more."""
    while _total(_floors(columns, sizes)) > width:
        first = max(sizes, key=lambda index: (columns[index].drop_order, index))
        if not columns[first].drop_order:
            return
        del sizes[first]


def _shrink(sizes: dict[int, int], floors: dict[int, int], width: int) -> None:
    """Take what is too much from the widest columns, down to their floors."""
    while (over := _total(sizes) - width) > 0:
        shrinkable = [index for index in sizes if sizes[index] > floors[index]]
        if not shrinkable:
            return
        widest = max(shrinkable, key=sizes.__getitem__)
        next_size = max((sizes[index] for index in shrinkable if index != widest), default=0)
        least = max(floors[widest], min(next_size, sizes[widest] - 1))
        sizes[widest] = max(least, sizes[widest] - over)


def _line(
    columns: Sequence[Column], texts: Sequence[str], sizes: dict[int, int], width: int | None
) -> str:
    parts = []
    for index, size in sizes.items():
        text = truncate(texts[index], size)
        blanks = " " * (size - cell_width(text))
        parts.append(blanks + text if columns[index].right else text + blanks)
    line = GAP.join(parts).rstrip()
    return line if width is None else truncate(line, width)
