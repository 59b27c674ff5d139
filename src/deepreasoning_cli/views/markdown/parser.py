"""Markdown source to a tree of blocks, and what a stream must know to cut that source in two.

CommonMark with tables and strikethrough; raw HTML is text. A link definition is a block too, for
the links that came before it are shown already and the reader has only the definition to look at.
Two rules are ours, so that a long paragraph can be shown before its end: the text over a `===` or
`---` line is a heading, and the line over a `|---|` line a table's head, only up to `LONG`
characters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from markdown_it import MarkdownIt, rules_block
from markdown_it.parser_block import RuleFuncBlockType
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LONG: Final = 400
"""Characters after which a paragraph can be nothing else any more."""
DOCUMENT: Final = "document"
"""The kind of the node that holds all blocks of a source."""
PLACEHOLDER: Final = "\0"
"""Stands in the source for text that was shown already; sanitised text has none."""
MAX_NESTING: Final = 24
"""Nesting level at which `>` and list markers become text, so that nothing is dropped."""


@dataclass(slots=True)
class Node:
    """A block: `kind` is the parser's word without `_open`, `content` the text of a leaf.

    It goes from line `start` to the one before line `end`. Lines are numbered from 0, columns from
    where the innermost quotation's content starts.
    """

    kind: str
    token: Token
    start: int = 0
    end: int = 0
    children: list[Node] = field(default_factory=list)
    content: str = ""

    @property
    def column(self) -> int:
        """Where a fence or a list item's content starts."""
        return int(self.token.meta.get("column", 0))


class Parser:
    """Reads one text piece by piece; link definitions are remembered for what comes after."""

    def __init__(self) -> None:
        self._md = _markdown()
        self._references: dict[str, Any] = {}

    def blocks(self, source: str, *, learn: bool = True) -> Node:
        """The document in `source`; link definitions in it stay unless `learn` is False."""
        references = self._references if learn else self._references.copy()
        tokens: list[Token] = []
        self._md.block.parse(source, self._md, {"references": references}, tokens)
        return _nested(tokens)

    def inline(self, text: str) -> list[Token]:
        """The spans of a leaf's text."""
        return self._state(text).tokens

    def stable_inline(self, text: str) -> list[Token] | None:
        """The spans of `text` if whatever follows cannot change them, else None.

        None stands for an emphasis, link, image or code span that may still be open at the end.
        """
        state = self._state(text)
        if any(mark.open and mark.end < 0 for mark in state.delimiters):
            return None
        return None if _open_bracket_or_code(state.tokens) else state.tokens

    def _state(self, text: str) -> StateInline:
        state = StateInline(text, self._md, {"references": self._references}, [])
        self._md.inline.tokenize(state)
        for rule in self._md.inline.ruler2.getRules(""):
            rule(state)
        return state


def last_leaf(document: Node) -> Node:
    """The block that the last line of a source belongs to."""
    leaf = document
    while leaf.children and leaf.kind != "table":
        leaf = leaf.children[-1]
    return leaf


def _nested(tokens: Iterable[Token]) -> Node:
    levels = [Node(DOCUMENT, Token(DOCUMENT, "", 0))]
    for token in tokens:
        if token.type == "inline":
            levels[-1].content = token.content
        elif token.nesting < 0:
            levels.pop()
        else:
            start, end = token.map or (0, 0)
            kind = token.type.removesuffix("_open")
            node = Node(kind, token, start, end, content=token.content)
            levels[-1].children.append(node)
            if token.nesting > 0:
                levels.append(node)
    return levels[0]


def _open_bracket_or_code(tokens: list[Token]) -> bool:
    """Whether literal text holds what a later character could turn into a link or a code span."""
    if any(token.type == "image" and "`" in token.content for token in tokens):
        return True
    literal = "".join(token.content for token in tokens if token.type == "text")
    if "`" in literal or "](" in literal:
        return True
    depth = 0
    for character in literal if "[" in literal else "":
        depth = max(0, depth + (character == "[") - (character == "]"))
    return depth > 0


def _markdown() -> MarkdownIt:
    # What lies deeper than the limit would be dropped; a list adds two levels to `MAX_NESTING` - 1.
    md = MarkdownIt("commonmark", {"html": False, "maxNesting": MAX_NESTING + 2})
    md.enable(["strikethrough", "table"]).disable(["html_block", "html_inline"])
    rules = md.block.ruler
    rules.before("table", "columns", _item_column)
    terminates: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    begins_item: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote"]}
    rules.at("fence", _fence, terminates)
    rules.at("blockquote", partial(_unless_too_deep, rules_block.blockquote), terminates)
    rules.at("list", partial(_unless_too_deep, rules_block.list_block), begins_item)
    rules.at("table", _table, {"alt": ["paragraph", "reference"]})
    rules.at("lheading", _lheading)
    rules.at("reference", _definition)
    return md


def _item_column(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Match nothing, but note where the content of a list item starts."""
    if state.tokens and state.tokens[-1].type == "list_item_open":
        state.tokens[-1].meta["column"] = state.blkIndent
    return False


def _fence(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    column = state.sCount[start]
    matches = rules_block.fence(state, start, end, silent)
    if matches and not silent:
        state.tokens[-1].meta["column"] = column
    return matches


def _unless_too_deep(
    rule: RuleFuncBlockType, state: StateBlock, start: int, end: int, silent: bool
) -> bool:
    return state.level < MAX_NESTING and rule(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    head = len(line.strip()) <= LONG and not line.startswith(PLACEHOLDER)
    return head and rules_block.table(state, start, end, silent)


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    matches = rules_block.reference(state, start, end, silent)
    if matches and not silent:
        token = state.push("definition", "", 0)
        token.content = state.getLines(start, state.line, state.blkIndent, False).strip()
        token.map = [start, state.line]
    return matches


def _lheading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    count, parent = len(state.tokens), state.parentType
    line = state.line
    matches = rules_block.lheading(state, start, end, silent)
    state.parentType = parent  # the rule leaves its own behind when it finds nothing
    if matches:
        content = state.tokens[-2].content
        matches = len(content) <= LONG and not content.startswith(PLACEHOLDER)
        if not matches:
            del state.tokens[count:]
            state.line = line
    return matches
