"""Code in colours, one line at a time."""

from __future__ import annotations

import re
from functools import cache
from types import new_class
from typing import Any, Final

# Pygments has no type stubs.
from pygments.lexer import ExtendedRegexLexer, Lexer, LexerContext, RegexLexer  # type: ignore[import-untyped]
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import Comment, Text  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]
from rich.syntax import Syntax

from deepreasoning_cli.views.markdown.inline import TAB, Theme, readable, row_text
from deepreasoning_cli.views.markdown.wrap import Run

TokenType = Any
"""One of Pygments' kinds of token; a kind is `in` those it is a special case of."""
_NAME: Final = re.compile(r"\{?\.?([\w+#-]+)\}?")
_PLAIN: Final = ("none", "plain", "plaintext", "text", "txt")
"""What models call text that has no language."""
_LONGEST: Final = 2_000
"""Characters of a line that are still coloured; some lexers go wild on longer ones."""


class Highlighter:
    """Colours the lines of one code block as they come; the text is exact, tabs expanded.

    What is open at the end of a line (a string, a comment) is remembered, where the language's
    lexer can say; others start each line anew. A copy goes on alone.
    """

    def __init__(self, info: str, theme: Theme) -> None:
        """`info` is what stands behind the fence: `python`, `{.python}`, `python:src/a.py`."""
        self._theme = theme
        self._colors = Syntax.get_theme(theme.code_theme)
        name = _NAME.match(info)
        self._lexer = _lexer(name.group(1)) if name else None
        self._stack = ("root",)
        self._comment = False

    def colors_all_of(self, info: str) -> bool:
        """Whether the colours say what `info` says: it is the name of a language and no more."""
        if info.lower() in _PLAIN:
            return True
        name = _NAME.match(info)
        return bool(self._lexer and name and name.end() == len(info))

    def line(self, text: str) -> list[Run]:
        """The runs of the next line, given without its end."""
        text = text.expandtabs(TAB)
        if self._lexer is None or len(text) > _LONGEST:
            return [(row_text(text), self._theme.style("markdown.code_block"))]
        if self._comment:
            return self._in_comment(text)
        pieces = self._pieces(self._lexer, text + "\n")
        kind, last = pieces[-1] if pieces else (Comment, "")
        # Lexers that read a block comment in one go take an open one to the end of their text.
        self._comment = kind in Comment and last.startswith("/*") and "*/" not in last
        return [self._run(kind, piece) for kind, piece in pieces]

    def _in_comment(self, text: str) -> list[Run]:
        end = text.find("*/") + 2
        if end < 2:
            return [self._run(Comment.Multiline, text)]
        self._comment = False
        return [self._run(Comment.Multiline, text[:end]), *self.line(text[end:])]

    def _pieces(self, lexer: Lexer, text: str) -> list[tuple[TokenType, str]]:
        try:
            if type(lexer).get_tokens_unprocessed is not ExtendedRegexLexer.get_tokens_unprocessed:
                return [(kind, piece) for _, kind, piece in lexer.get_tokens_unprocessed(text)]
            context = LexerContext(text, 0, list(self._stack))
            tokens = lexer.get_tokens_unprocessed(context=context)
            pieces = [(kind, piece) for _, kind, piece in tokens]
        except Exception:  # noqa: BLE001 - hundreds of lexers; no fault of one may cost the text
            self._lexer = None
            return [(Text, text)]
        self._stack = tuple(context.stack)
        return pieces

    def _run(self, kind: TokenType, text: str) -> Run:
        style = readable(self._colors.get_style_for_token(kind))
        return row_text(text.removesuffix("\n")), style


@cache
def _lexer(language: str) -> Lexer | None:
    """The lexer of this name, one that can be given its state if there is a way; None if unknown.

    Pygments' ordinary lexers take no state; mixed with its extended one they do.
    """
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return None
    kind = type(lexer)
    if kind.get_tokens_unprocessed is not RegexLexer.get_tokens_unprocessed:
        return lexer
    return new_class(kind.__name__, (ExtendedRegexLexer, kind))()
