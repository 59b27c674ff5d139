"""Styled text to rows of limited width.

Rows are filled greedily and a row never depends on what comes after the word that follows it, so
that all rows but the last stay as they are while a text grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from rich.segment import Segment
from rich.style import Style

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.terminal import cell_width, graphemes

Run = tuple[str, Style]
"""Text in one style; a newline in it ends the row."""

_SPACE: Final = " \u2002-\u2006\u2008-\u200a\u3000"
# Scripts that are written without spaces and may be broken between any two letters.
_IDEOGRAPH: Final = (
    "\u2e80-\u2fdf\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U00020000-\U0003fffd"
)
_OPENING: Final = "（［｛〈《「『【〔〖"  # never the last of a row
_CLOSING: Final = (
    "、。，．：；！？）］｝〉》」』】〕〗”’…,.;:!?)\\]}\u0300-\u036f\u200d\ufe00-\ufe0f"
)
_ATOM: Final = re.compile(
    f"^[{_SPACE}]+"
    f"|[{_OPENING}“‘]*[{_IDEOGRAPH}][{_CLOSING}]*[{_SPACE}]*"
    f"|[{_OPENING}]*[^{_SPACE}{_IDEOGRAPH}{_OPENING}]+[{_SPACE}]*"
    f"|[{_OPENING}]+[{_SPACE}]*"
)
_TWO_IDEOGRAPHS: Final = re.compile(f"[{_IDEOGRAPH}]{{2}}")


def wrap_words(runs: list[Run], width: int) -> list[list[Run]]:
    """Break `runs` into rows of at most `width` (≥ 1) cells; spaces at their ends are kept.

    Words stay whole where they can; one that is wider than a row starts on a row of its own. A
    character wider than the row stands alone in it, too wide, rather than being lost.
    """
    text = "".join(text for text, _ in runs)
    return list(_cut(runs, _breaks(text, max(width, 1)))) if text else []


def wrap_cells(runs: list[Run], width: int) -> list[list[Run]]:
    """Break `runs` after exactly `width` cells, as a terminal does; for code."""
    text = "".join(text for text, _ in runs)
    return list(_cut(runs, _folds(text, max(width, 1)))) if text else []


def wrap_text(text: str, width: int) -> list[str]:
    """Break plain text into lines of at most `width` (≥ 1) cells, without spaces at their ends."""
    rows = wrap_words([(text, Style.null())], width)
    return ["".join(piece for piece, _ in part).rstrip() for part in rows]


def row(runs: Iterable[Run]) -> Row:
    """The row of these runs, without spaces at its end."""
    parts: list[Run] = []
    for text, style in runs:
        if parts and parts[-1][1] == style:
            parts[-1] = (parts[-1][0] + text, style)
        elif text:
            parts.append((text, style))
    while parts and not parts[-1][0].rstrip():
        parts.pop()
    if parts:
        parts[-1] = (parts[-1][0].rstrip(), parts[-1][1])
    return [Segment(text, style or None) for text, style in parts]


def indent_row(lead: Run, rest: Row) -> Row:
    """`rest` behind `lead`, without spaces at the end of the row."""
    text, style = lead
    if not rest:
        return row([lead])
    return [Segment(text, style or None), *rest]


def runs_width(runs: Iterable[Run]) -> int:
    """Cells of the runs on one line."""
    return sum(cell_width(text) for text, _ in runs)


def longest_word(runs: Iterable[Run]) -> int:
    """Cells of the longest word, which no row breaks if it has as many."""
    text = "".join(text for text, _ in runs)
    atoms = (match.group().rstrip() for line in text.split("\n") for match in _ATOM.finditer(line))
    return max(map(cell_width, atoms), default=0)


def last_break(text: str, limit: int) -> int:
    """The last place at or before `limit` (< its length) to cut a paragraph's source, or 0.

    Cut there, both parts are read as they were together: behind a single blank or a line end, or
    between two ideographs.
    """
    for place in range(min(limit, len(text) - 1), 0, -1):
        before, after = text[place - 1], text[place]
        if before == "\n" or (before == " " and after not in " \t\n"):
            return place
        if before > "\u2e7f" and _TWO_IDEOGRAPHS.match(before + after):
            return place
    return 0


def _breaks(text: str, width: int) -> Iterator[int]:
    start = 0
    for line in text.split("\n"):
        if start:
            yield start
        yield from (start + place for place in _line_breaks(line, width))
        start += len(line) + 1


def _line_breaks(line: str, width: int) -> Iterator[int]:
    used = 0
    size = len if line.isascii() else cell_width
    for match in _ATOM.finditer(line):
        atom = match.group()
        needed = size(atom.rstrip())
        if used + needed <= width:
            used += size(atom)
            continue
        if used:
            yield match.start()
        used = size(atom)
        if needed > width:
            for fold in _folds(atom.rstrip(), width):
                yield match.start() + fold
                used = size(atom[fold:])


def _folds(text: str, width: int) -> Iterator[int]:
    if text.isascii():
        yield from range(width, len(text), width)
        return
    used = 0
    for start, size in graphemes(text):
        if used and used + size > width:
            yield start
            used = 0
        used += size


def _cut(runs: list[Run], places: Iterator[int]) -> Iterator[list[Run]]:
    """`runs` cut at offsets of their joined text."""
    part: list[Run] = []
    offset, place = 0, next(places, None)
    for text, style in runs:
        while place is not None and place < offset + len(text):
            head, text = text[: place - offset], text[place - offset :]  # noqa: PLW2901 - the rest
            yield [*part, (head, style)]
            part, offset, place = [], place, next(places, None)
        part.append((text, style))
        offset += len(text)
    yield part
