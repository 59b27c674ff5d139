"""Blocks of Markdown with blocks in them, to rows: lists, quotations, and the sequence of blocks.

They are shown as far as what is in them is final: item by item, block by block, row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Final, Self

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.elements import (
    Block,
    CodeListing,
    DefinitionBlock,
    HeadingBlock,
    Layout,
    ParagraphBlock,
    RuleBlock,
    SourceLines,
)
from deepreasoning_cli.views.markdown.parser import PLACEHOLDER, Node
from deepreasoning_cli.views.markdown.tables import TableBlock
from deepreasoning_cli.views.markdown.wrap import Run, indent_row
from deepreasoning_cli.views.terminal import cell_width

_LISTS: Final = ("bullet_list", "ordered_list")
_NUMBER: Final = 4
"""Cells of `10. `: the least an item's number takes, so that the first ten line up."""


class BlockSequence:
    """Blocks one after the other, a blank row between two of them.

    There is none between link definitions, and in a list item (`dense`) none before a list.
    """

    def __init__(self, *, dense: bool = False) -> None:
        self.begun = False
        self._dense = dense
        self._block: Block | None = None  # the open block, once begun
        self._previous: str | None = None  # kind of the last block that has a row
        self._shown = False  # whether the open block has one

    def feed(self, nodes: list[Node], closed: bool, layout: Layout) -> list[Row]:
        """The rows that have become final; the last block is still open unless `closed`."""
        rows: list[Row] = []
        for number, node in enumerate(nodes, 1):
            done = closed or number < len(nodes)
            self._shown = self._shown and self._block is not None
            block = self._block or _KINDS[node.kind]()
            rows += self._spaced(block.feed(node, done, layout), node.kind)
            self._block = block if block.begun and not done else None
            self.begun = self.begun or done or block.begun
        return rows

    def keep(self, nodes: list[Node], source: SourceLines, start: int = 0) -> list[str]:
        """The source lines to parse again: from the last block on, or from `start` if none."""
        if not nodes:
            return source.lines[start:]
        if self._block is None:
            return source.lines[nodes[-1].start :]
        return self._block.keep(nodes[-1], source)

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return self._block.carry() if self._block else ""

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        fork = copy(self)
        fork._block = self._block.fork() if self._block else None
        return fork

    def _spaced(self, rows: list[Row], kind: str) -> list[Row]:
        """The rows of a block, behind a blank one if they are its first."""
        if not rows or self._shown:
            return rows
        before, self._previous, self._shown = self._previous, kind, True
        together = before == kind == "definition"
        dense = self._dense and kind in _LISTS
        return rows if before is None or together or dense else [[], *rows]


class QuoteBlock(Block):
    """A quotation: a bar in front of each row."""

    def __init__(self) -> None:
        self._flow = BlockSequence()

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the blocks in it."""
        bar = (layout.theme.bar + " ", layout.theme.style("markdown.block_quote"))
        size = cell_width(bar[0])
        rows = self._flow.feed(_after_placeholder(node), closed, layout.narrower(size))
        self.begun = self._flow.begun
        return [indent_row(bar, line) for line in rows] if layout.fits(size) else rows

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """A placeholder behind the mark, and what is open in the quotation."""
        if not self.begun:
            return source.lines[node.start :]
        mark = f"{source.lead}>"
        inside = replace(source, prefix=f"{mark} ", indent=0)
        rest = self._flow.keep(_after_placeholder(node), inside, node.children[0].end)
        return [f"{mark} {PLACEHOLDER}", mark, *rest]

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return self._flow.carry()

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        fork = copy(self)
        fork._flow = self._flow.fork()
        return fork


class ListBlock(Block):
    """A list, item by item.

    A number takes the room of two digits, and more only if it has more: so the first rows of a list
    do not depend on how long it will be.
    """

    def __init__(self) -> None:
        self._number: int | None = None  # of the open item, once the list has begun
        self._item: ListItem | None = None  # the open item, once begun

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the items."""
        rows: list[Row] = []
        first = int(node.token.attrs.get("start", 1)) if self._number is None else self._number
        items = node.children[1:] if self.begun and self._item is None else node.children
        for number, child in enumerate(items, first):
            done = closed or child is not items[-1]
            item = self._item or ListItem(_marker(node, number, layout))
            rows += item.feed(child, done, layout)
            self._item = item if item.begun and not done else None
            self.begun = self.begun or done or item.begun
        if self.begun:
            self._number = first + len(items) - 1
        return rows

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """The open item, behind a placeholder of one if nothing of it was taken."""
        last = node.children[-1]
        if not self.begun:
            return source.lines[node.start :]
        if self._item is not None:
            return self._item.keep(last, source)
        # In a list a line is an item where alone it could head a table. Four blanks after the
        # marker, lest an item that is a little to the right seem to be inside this one.
        placeholder = f"{source.lead}{last.token.info}{last.token.markup}    {PLACEHOLDER}"
        return [placeholder, source.prefix.rstrip(), *source.lines[last.start :]]

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return self._item.carry() if self._item else ""

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        fork = copy(self)
        fork._item = self._item.fork() if self._item else None
        return fork


class ListItem(Block):
    """One item of a list: its bullet or number before the first row, blanks before the others."""

    def __init__(self, marker: Run) -> None:
        self._marker = marker
        self._marked = False
        self._flow = BlockSequence(dense=True)

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the blocks in it; where there is no room, the marker has a row of its own."""
        text, style = self._marker
        size = cell_width(text)
        rows = self._flow.feed(_after_placeholder(node), closed, layout.narrower(size))
        self.begun = self._flow.begun
        bare = self._marked
        self._marked = bare or bool(rows) or closed
        if bare or not self._marked:
            first = []
        elif layout.fits(size):
            first, rows = [indent_row(self._marker, *rows[:1] or [[]])], rows[1:]
        else:
            first = layout.wrap_words([(text.strip(), style)])
        return first + (
            [indent_row((" " * size, style), line) for line in rows] if layout.fits(size) else rows
        )

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """A placeholder behind the marker, its text as far to the right, and what is open in it."""
        marker = node.token.info + node.token.markup
        # There may be three blanks before a marker and four behind it.
        spare = node.column - source.indent - len(marker) - 1
        placeholder = (
            source.lead + " " * min(spare, 3) + marker + " " * (1 + max(spare - 3, 0)) + PLACEHOLDER
        )
        inside = replace(source, indent=node.column)
        start = node.children[0].end
        return [
            placeholder,
            source.prefix.rstrip(),
            *self._flow.keep(_after_placeholder(node), inside, start),
        ]

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return self._flow.carry()

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        fork = copy(self)
        fork._flow = self._flow.fork()
        return fork


def _after_placeholder(node: Node) -> list[Node]:
    placeholder = bool(node.children) and node.children[0].content == PLACEHOLDER
    return node.children[placeholder:]


def _marker(node: Node, number: int, layout: Layout) -> Run:
    if node.kind == "bullet_list":
        return f" {layout.theme.bullet} ", layout.theme.style("markdown.item.bullet")
    return f"{number}. ".rjust(_NUMBER), layout.theme.style("markdown.item.number")


_KINDS: Final[dict[str, Callable[[], Block]]] = {
    "heading": HeadingBlock,
    "definition": DefinitionBlock,
    "hr": RuleBlock,
    "paragraph": ParagraphBlock,
    "fence": CodeListing,
    "code_block": CodeListing,
    "table": TableBlock,
    "blockquote": QuoteBlock,
    "bullet_list": ListBlock,
    "ordered_list": ListBlock,
}
