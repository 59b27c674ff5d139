"""Blocks of Markdown without blocks in them, to rows: whole, or as far as they are final.

A block object lives as long as its block is open. `feed` takes the block as parsed now and returns
the rows that are final and were not returned before; `keep` then says which source lines the block
still needs, with `PLACEHOLDER` for what is done with. The same code lays out a whole text and a
stream.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Self

from markdown_it.token import Token
from rich.style import Style

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown.block_rules import LONG, PLACEHOLDER
from deepreasoning_cli.views.markdown.highlight import Highlighter
from deepreasoning_cli.views.markdown.inline import Theme, row_text, to_runs
from deepreasoning_cli.views.markdown.parser import Node, Parser
from deepreasoning_cli.views.markdown.wrap import Run, last_break, row, wrap_cells, wrap_words

MIN_WIDTH: Final = 10
"""Cells that a list or quotation leaves its content; where there are fewer, it is not indented."""
SPAN_LIMIT: Final = 2_000
"""Characters after which an emphasis, link or code span that is still open is taken for text."""
_HEADINGS: Final = {"h1": "bold underline", "h2": "bold"}
_DEFINING: Final = re.compile(r"\[(?:\\.|[^\]\\])*(?:\]:|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """What blocks are laid out with; `width` in cells."""

    parser: Parser
    theme: Theme
    width: int

    def fits(self, cells: int) -> bool:
        """Whether content may be indented by so many cells."""
        return self.width - cells >= MIN_WIDTH

    def narrower(self, cells: int) -> Layout:
        """The layout inside an indentation; the same if there is no room for one."""
        return replace(self, width=self.width - cells) if self.fits(cells) else self

    def wrap_words(self, runs: list[Run]) -> list[Row]:
        """The rows of a text."""
        return [row(line) for line in wrap_words(runs, self.width)]


@dataclass(frozen=True, slots=True)
class SourceLines:
    """The lines a tree was parsed from, and what starts a line inside the present container.

    `prefix` is made of quotation marks, `indent` the column of list content behind it.
    """

    lines: list[str]
    prefix: str = ""
    indent: int = 0

    @property
    def lead(self) -> str:
        """What a line of this container starts with."""
        return self.prefix + " " * self.indent


class Block(ABC):
    """A block of the document. `begun`: something was taken from its source."""

    begun = False

    @abstractmethod
    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows that have become final; all that are left if the block is `closed`."""

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """The source lines to parse again, from this block to the end."""
        return source.lines[node.start :]

    def carry(self) -> str:
        """Text that `keep` leaves out though it is in no row yet."""
        return ""

    def fork(self) -> Self:
        """A copy that can be fed without a trace."""
        return copy(self)


class WholeBlock(Block):
    """A block that shows nothing before its end; `rows` lays it out."""

    def __init__(self, rows: Callable[[Node, Layout], list[Row]]) -> None:
        self._rows = rows

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows that have become final; all that are left if the block is `closed`."""
        return self._rows(node, layout) if closed else []


def _heading_rows(node: Node, layout: Layout) -> list[Row]:
    """A heading: bold, at the left, so that it can be copied."""
    style = layout.theme.style(_HEADINGS.get(node.token.tag, "bold italic"))
    text = node.content or node.token.markup  # a mark for nothing is text
    return layout.wrap_words(to_runs(layout.parser.inline(text), layout.theme, style))


def _definition_rows(node: Node, layout: Layout) -> list[Row]:
    """A link definition, as it was typed: label, address and title. Links behind it know it."""
    layout.parser.learn(node.token.meta["references"])
    return layout.wrap_words([(row_text(node.content), layout.theme.style("markdown.paragraph"))])


def _formula_rows(node: Node, layout: Layout) -> list[Row]:
    """The lines of a formula, as they were typed."""
    text = "\n".join(map(row_text, node.content.split("\n")))
    return layout.wrap_words([(text, layout.theme.style("markdown.paragraph"))])


def _rule_rows(_: Node, layout: Layout) -> list[Row]:
    """A line across: one row of full width."""
    return [row([(layout.theme.line * layout.width, layout.theme.style("markdown.hr"))])]


class ParagraphBlock(Block):
    """Text, shown row by row once it is long and wherever no span is open."""

    def __init__(self) -> None:
        self._carry: list[Run] = []  # the last row so far, not full yet
        self._next_try = LONG + 1
        self._cut = 0  # how much of the node's content was taken at the last feed
        self._inside_line = False  # whether the placeholder's line goes on with the text's

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The full rows; with `closed` also the last one."""
        text = node.content
        if self.begun:
            text = text.removeprefix(PLACEHOLDER)[1:].lstrip(" \t")
        self._cut = 0
        style = layout.theme.style("markdown.paragraph")
        if closed:
            runs = to_runs(layout.parser.inline(text), layout.theme, style)
            return layout.wrap_words(self._carry + runs)
        if (final := self._final(text, layout.parser)) is None:
            return []
        tokens, place = final
        runs = self._carry + to_runs(tokens, layout.theme, style)
        self.begun = True
        self._inside_line = text[place - 1] != "\n"
        self._next_try = len(text) - place + 2 * layout.width
        self._cut = len(node.content) - len(text) + place
        *full, self._carry = wrap_words(runs, layout.width)
        return [row(line) for line in full]

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """From the cut on; the rest of a cut line stays behind the placeholder: no block starts."""
        if not self._cut:
            return super().keep(node, source)
        number = node.start + node.content.count("\n", 0, self._cut)
        placeholder = source.lead + PLACEHOLDER
        if not self._inside_line:
            return [placeholder, *source.lines[number:]]
        line = source.lines[number]
        rest = node.content[self._cut :].partition("\n")[0]
        return [f"{placeholder} {line[line.rfind(rest) :]}", *source.lines[number + 1 :]]

    def carry(self) -> str:
        """The last row so far."""
        return "".join(text for text, _ in self._carry)

    def _final(self, text: str, parser: Parser) -> tuple[list[Token], int] | None:
        """The spans of as much text as nothing can change any more, and its length."""
        if len(text) < self._next_try:
            return None
        place = last_break(text, self._limit(text))
        earlier = last_break(text, max(text.rfind(sign, 0, place) for sign in "*_`[~$\\"))
        for end in filter(None, (place, earlier)):
            if (tokens := parser.stable_inline(text, end)) is not None:
                return tokens, end
        if place and len(text) > SPAN_LIMIT:
            return parser.inline(text[:place]), place
        self._next_try = len(text) * 3 // 2
        return None

    def _limit(self, text: str) -> int:
        """Up to where this is surely a paragraph: its last line, if short, may head a table."""
        if not self.begun and len(text) <= SPAN_LIMIT and _DEFINING.match(text):
            return 0
        line = text.rfind("\n") + 1
        surely = len(text[line:].strip()) > LONG or (self._inside_line and not line)
        return len(text) if surely else line


class CodeListing(Block):
    """A code block, shown line by line, at the left edge and without padding, for copying.

    What its fence says beside a language that colours show, such as a file name, stands above it.
    """

    def __init__(self) -> None:
        self._highlighter: Highlighter | None = None
        self._blanks = 0  # blank lines that show only if another line follows
        self._taken = 0

    def feed(self, node: Node, closed: bool, layout: Layout) -> list[Row]:
        """The rows of the lines that are new; blank ones at the end are dropped."""
        lines = node.content.removesuffix("\n").split("\n") if node.content else []
        if node.kind == "code_block" and not closed:
            lines.pop()  # without a line of its own the rest would not be seen as code
        rows: list[Row] = []
        if self._highlighter is None:
            info = row_text(node.token.info.strip())
            self._highlighter = Highlighter(info, layout.theme)
            if info and not self._highlighter.colors_all_of(info):
                rows = layout.wrap_words([(info, Style(dim=True))])
        self._taken = len(lines)
        self.begun = self.begun or node.kind == "fence" or bool(lines)
        code = [part for line in lines for part in self._line(self._highlighter, line, layout)]
        return rows + code

    def keep(self, node: Node, source: SourceLines) -> list[str]:
        """The fence without its lines, or the last line of indented code."""
        if node.kind == "code_block":
            return source.lines[node.start + self._taken :]
        mark = source.prefix + " " * node.column + node.token.markup
        ended = node.end - node.start - node.content.count("\n") == 2
        return [mark, *([mark] if ended else []), *source.lines[node.end :]]

    def fork(self) -> Self:
        """A copy with a highlighter of its own."""
        fork = copy(self)
        fork._highlighter = copy(self._highlighter)
        return fork

    def _line(self, highlighter: Highlighter, line: str, layout: Layout) -> list[Row]:
        runs = highlighter.line(line)
        if not line.strip():
            self._blanks += 1
            return []
        blanks, self._blanks = self._blanks, 0
        return [[]] * blanks + [row(part) for part in wrap_cells(runs, layout.width)]


ELEMENTS: Final[dict[str, Callable[[], Block]]] = {
    "heading": partial(WholeBlock, _heading_rows),
    "definition": partial(WholeBlock, _definition_rows),
    "formula": partial(WholeBlock, _formula_rows),
    "hr": partial(WholeBlock, _rule_rows),
    "paragraph": ParagraphBlock,
    "fence": CodeListing,
    "code_block": CodeListing,
}
"""What makes a block, by the parser's word for it."""
