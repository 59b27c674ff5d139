"""Markdown source to a tree of blocks, and what a stream must know to cut that source in two.

CommonMark with tables and strikethrough, raw HTML as text, and the rules of `block_rules` and
`inline_rules`. A link definition is a block too, for the links that came before it are shown
already and the reader has only the definition to look at; only the links behind it know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deepreasoning_cli.views.markdown.block_rules import MAX_NESTING, use_block_rules
from deepreasoning_cli.views.markdown.inline_rules import SpanParser, SpanState, spans_formula

DOCUMENT: Final = "document"
"""The kind of the node that holds all blocks of a source."""


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
    """Reads one text piece by piece; `learn` adds the link definitions that it has come to."""

    def __init__(self) -> None:
        self._md = _Markdown()
        self._references: dict[str, Any] = {}

    def blocks(self, source: str) -> Node:
        """The document in `source`."""
        tokens: list[Token] = []
        self._md.block.parse(source, self._md, {}, tokens)
        return _nested(tokens)

    def inline(self, text: str) -> list[Token]:
        """The spans of a leaf's text."""
        return self._state(text).tokens

    def stable_inline(self, text: str, end: int) -> list[Token] | None:
        """The spans of `text[:end]` if whatever follows cannot change them, else None.

        None stands for an emphasis, link, image, code span or formula that may be open at the end.
        """
        state = self._state(text[:end])
        if any(mark.open and mark.end < 0 for mark in state.delimiters):
            return None
        if any(spans_formula(text, start) for start in state.open_formulas):
            return None
        return None if _open_bracket_or_code(state.tokens) else state.tokens

    def learn(self, references: Mapping[str, Any]) -> None:
        """Take in a definition for the links to come; the first of a label counts."""
        self._references = {**references, **self._references}

    def fork(self) -> Parser:
        """A parser that knows the same and can learn without a trace."""
        return copy(self)

    def _state(self, text: str) -> SpanState:
        return self._md.spans.read(text, self._md, {"references": self._references}, [])


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


class _Markdown(MarkdownIt):
    """CommonMark with our rules; an address stays as it was typed."""

    def __init__(self) -> None:
        # What lies deeper than the limit would be dropped; a list adds two levels to `MAX_NESTING`
        # - 1.
        super().__init__("commonmark", {"html": False, "maxNesting": MAX_NESTING + 2})
        self.inline = self.spans = SpanParser()
        self.enable(["strikethrough", "table"]).disable(["html_block", "html_inline", "linkify"])
        use_block_rules(self)

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the library's name
        """The address, as it is."""
        return url

    def normalizeLinkText(self, link: str) -> str:  # noqa: N802 - the library's name
        """The address, as it is."""
        return link
