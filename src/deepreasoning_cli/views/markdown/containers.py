"""Blocks of Markdown with blocks in them, to rows: the document, lists and quotations.

They are shown as far as what is in them is final: item by item, block by block, row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Final, Self

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.block_rules import PLACEHOLDER
from deepreasoning_cli.views.markdown.elements import ELEMENTS, Block, Layout, SourceLines
from deepreasoning_cli.views.markdown.parser import DOCUMENT, Node
from deepreasoning_cli.views.markdown.tables import TableBlock
from deepreasoning_cli.views.markdown.wrap import Run, indent_row
from deepreasoning_cli.views.terminal import cell_width

_LISTS: Final = ("bullet_list", "ordered_list")
_NUMBER_WIDTH: Final = 4
"""Cells of `10. `: the least an item's number takes, so that the first ten line up."""


class ContainerBlock(Block):
    """A block with blocks in it, of which the last stays open while it can still grow."""

    def __init__(self) -> None:
        self._open: Block | None = None  # the open child, once begun

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return self._open.carry() if self._open else ""

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        fork = copy(self)
        fork._open = self._open.fork() if self._open else None
        return fork

    def _feed_child(
        self, create: Callable[[], Block], node: Node, closed: bool, layout: Layout
    ) -> list[Row]:
        """The rows of the open child, or of a new one, that have become final."""
        child = self._open or create()
        rows = child.feed(node, closed, layout)
        self._open = child if child.begun and not closed else None
        self.begun = self.begun or closed or child.begun
        return rows


class BlockSequence(ContainerBlock):
    """Blocks one after the other, a blank row between two of them: the whole document.

    There is no blank row between link definitions, and in a `dense` sequence none before a list.
    """

    dense = False

    def __init__(self) -> None:
        super().__init__()
        self._previous: str | None = None  # kind of the last block that has a row
        self._has_row = False  # whether the open block has one

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows that have become final; the last block is still open unless `closed`."""
        rows: list[Row] = []
        blocks = _blocks(node)
        for block in blocks:
            self._has_row = self._has_row and self._open is not None
            done = closed or block is not blocks[-1]
            new = self._feed_child(_BLOCKS[block.kind], block, done, layout)
            rows += self._spaced(new, block.kind)
        return rows

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """From the last block on; where there is none, from the placeholder on."""
        blocks = _blocks(node)
        if not blocks:
            return source.lines[node.children[0].end if node.children else 0 :]
        if self._open is None:
            return source.lines[blocks[-1].start :]
        return self._open.keep(blocks[-1], source)

    def _spaced(self, rows: list[Row], kind: str) -> list[Row]:
        """The rows of a block, behind a blank one if they are its first."""
        if not rows or self._has_row:
            return rows
        before, self._previous, self._has_row = self._previous, kind, True
        together = before == kind == "definition" or (self.dense and kind in _LISTS)
        return rows if before is None or together else [[], *rows]


class QuoteBlock(BlockSequence):
    """A quotation: a bar in front of each row."""

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the blocks in it."""
        bar = (layout.theme.bar + " ", layout.theme.style("markdown.block_quote"))
        size = cell_width(bar[0])
        rows = super().feed(node, closed, layout.narrower(size))
        return [indent_row(bar, line) for line in rows] if layout.fits(size) else rows

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """A placeholder behind the mark, and what is open in the quotation."""
        mark = f"{source.lead}>"
        rest = super().keep(node, replace(source, prefix=f"{mark} ", indent=0))
        return [f"{mark} {PLACEHOLDER}", mark, *rest]


class ListBlock(ContainerBlock):
    """A list, item by item.

    A number is the one that was typed. It takes the room of two digits, and more only if it has
    more: so the first rows of a list do not depend on how long it will be.
    """

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the items."""
        rows: list[Row] = []
        items = node.children[1:] if self.begun and self._open is None else node.children
        for item in items:
            marker = _marker(item, layout)
            done = closed or item is not items[-1]
            rows += self._feed_child(partial(ListItem, marker), item, done, layout)
        return rows

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """The open item, behind a placeholder of one if nothing of it was taken."""
        last = node.children[-1]
        if self._open is not None:
            return self._open.keep(last, source)
        # In a list a line is an item where alone it could head a table. Four blanks after the
        # marker, lest an item that is a little to the right seem to be inside this one.
        placeholder = f"{source.lead}{last.token.info}{last.token.markup}    {PLACEHOLDER}"
        return [placeholder, source.prefix.rstrip(), *source.lines[last.start :]]


class ListItem(BlockSequence):
    """One item of a list: its bullet or number before the first row, blanks before the others."""

    dense = True

    def __init__(self, marker: Run) -> None:
        super().__init__()
        self._marker = marker
        self._marked = False

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the blocks in it; where there is no room, the marker has a row of its own."""
        text, style = self._marker
        size = cell_width(text)
        rows = super().feed(node, closed, layout.narrower(size))
        marks, self._marked = not self._marked, self._marked or bool(rows) or closed
        first: list[Row] = []
        if marks and self._marked:
            if layout.fits(size):
                first, rows = [indent_row(self._marker, *rows[:1] or [[]])], rows[1:]
            else:
                first = layout.wrap_words([(text.strip(), style)])
        blanks = (" " * size, style)
        return first + ([indent_row(blanks, line) for line in rows] if layout.fits(size) else rows)

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """A placeholder behind the marker, its text as far to the right, and what is open in it."""
        marker = node.token.info + node.token.markup
        # There may be three blanks before a marker and four behind it.
        spare = node.column - source.indent - len(marker) - 1
        lead, gap = source.lead + " " * min(spare, 3), " " * (1 + max(spare - 3, 0))
        rest = super().keep(node, replace(source, indent=node.column))
        return [f"{lead}{marker}{gap}{PLACEHOLDER}", source.prefix.rstrip(), *rest]


def _blocks(node: Node) -> list[Node]:
    """The blocks in it, without the placeholder of those that were shown."""
    placeholder = node.kind != DOCUMENT and [n.content for n in node.children[:1]] == [PLACEHOLDER]
    return node.children[placeholder:]


def _marker(item: Node, layout: Layout) -> Run:
    if not item.token.info:
        return f" {layout.theme.bullet} ", layout.theme.style("markdown.item.bullet")
    number = f"{item.token.info}{item.token.markup} "
    return number.rjust(_NUMBER_WIDTH), layout.theme.style("markdown.item.number")


_BLOCKS: Final[dict[str, Callable[[], Block]]] = {
    **ELEMENTS,
    "table": TableBlock,
    "blockquote": QuoteBlock,
    "bullet_list": ListBlock,
    "ordered_list": ListBlock,
}
