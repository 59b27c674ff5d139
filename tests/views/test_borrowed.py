"""What we use of libraries beyond what they promise; a test that fails says what changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from markdown_it import MarkdownIt
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_block import StateBlock, lheading, reference
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from markdown_it.utils import EnvType
from pygments.lexer import (  # type: ignore[import-untyped]
    ExtendedRegexLexer,
    LexerContext,
    RegexLexer,
)
from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]
from pygments.token import Comment  # type: ignore[import-untyped]
from rich.cells import cell_len, split_graphemes
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS


@contextmanager
def contract(sentence: str) -> Iterator[None]:
    """Fail with the sentence, whatever goes wrong inside."""
    try:
        yield
    except Exception as exc:  # noqa: BLE001 (a missing name and a false fact alike)
        pytest.fail(f"{sentence} ({type(exc).__name__}: {exc})", pytrace=False)


def block_state(source: str) -> StateBlock:
    return StateBlock(source, MarkdownIt("commonmark"), {"references": {}}, [])


def test_a_missing_name_fails_with_the_sentence() -> None:
    with (
        pytest.raises(pytest.fail.Exception, match=r"a library changed: its name \(Attribute"),
        contract("a library changed: its name"),
    ):
        _ = MarkdownIt().no_such_name  # type: ignore[attr-defined]


def test_markdown_it_numbers_lines_and_columns_of_a_block_as_the_parser_reads_them() -> None:
    with contract("markdown-it-py changed StateBlock: parser.py reads its lines and columns"):
        state = block_state("> a\n   b\n")
        lines = [(state.bMarks[n] + state.tShift[n], state.eMarks[n]) for n in range(2)]
        assert [state.src[start:end] for start, end in lines] == ["> a", "b"]
        assert (state.sCount[1], state.blkIndent, state.level, state.line) == (3, 0, 0, 0)
        assert state.parentType == "root"
        assert state.getLines(1, 2, 0, False) == "   b"
        assert state.push("x", "", 0) is state.tokens[-1]


def test_markdown_it_runs_a_block_rule_as_the_parser_calls_it() -> None:
    with contract("markdown-it-py changed its block rules: parser.py wraps them"):
        state = block_state("[a]: https://a.org\n")
        assert reference(state, 0, 1, False) is True
        assert (state.line, list(state.env["references"])) == (1, ["A"])
        state = block_state("title\n---\n")
        assert lheading(state, 0, 2, False) is True
        assert (state.line, state.tokens[-2].content) == (2, "title")


def test_markdown_it_parses_blocks_with_an_environment_of_the_callers() -> None:
    with contract("markdown-it-py changed ParserBlock.parse: parser.py gives it an environment"):
        md, tokens = MarkdownIt("commonmark"), list[Token]()
        environment: dict[str, dict[str, object]] = {"references": {}}
        md.block.parse("[a]: https://a.org\n\n- b", md, environment, tokens)
        assert list(environment["references"]) == ["A"]
        assert [token.type for token in tokens][:2] == ["bullet_list_open", "list_item_open"]
        assert tokens[0].map == [2, 3]


def test_markdown_it_asks_the_state_which_runs_open_and_close_a_span() -> None:
    class State(StateInline):
        def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N802, N803
            return Scanned(can_open=start == 1, can_close=start == 4, length=1)

    with contract("markdown-it-py changed scanDelims: inline_rules.py decides what is a mark"):
        md = MarkdownIt("commonmark")
        state = State("a*bc*d*", md, {}, [])
        md.inline.tokenize(state)
        for rule in md.inline.ruler2.getRules(""):
            rule(state)
        assert [token.content or token.type for token in state.tokens] == [
            *("a", "em_open", "bc", "em_close", "d*"),
        ]


def test_markdown_it_reads_the_text_of_an_image_with_the_parser_it_has() -> None:
    class Inline(ParserInline):
        def parse(self, src: str, md: MarkdownIt, env: EnvType, tokens: list[Token]) -> list[Token]:
            seen.append(src)
            return super().parse(src, md, env, tokens)

    with contract("markdown-it-py changed its image rule: inline_rules.py reads the text too"):
        seen = list[str]()
        md = MarkdownIt("commonmark")
        md.inline = Inline()
        md.render("![a *b*](c)")
        assert seen == ["![a *b*](c)", "a *b*"]


def test_markdown_it_drops_what_is_nested_deeper_than_its_limit() -> None:
    with contract("markdown-it-py changed maxNesting: parser.py makes deeper marks text"):
        md = MarkdownIt("commonmark", {"maxNesting": 2})
        assert "deep" not in md.render("> > > deep")


def test_markdown_it_says_which_delimiters_are_open() -> None:
    with contract("markdown-it-py changed StateInline: parser.py asks what is still open"):
        md = MarkdownIt("commonmark")
        marks = {}
        for text in ("*a", "*a*"):
            state = StateInline(text, md, {"references": {}}, [])
            md.inline.tokenize(state)
            for rule in md.inline.ruler2.getRules(""):
                rule(state)
            marks[text] = any(mark.open and mark.end < 0 for mark in state.delimiters)
        assert marks == {"*a": True, "*a*": False}


def test_pygments_goes_on_from_the_state_it_is_given() -> None:
    with contract("pygments changed LexerContext: highlight.py goes on from its stack"):
        kind = type(get_lexer_by_name("python"))
        assert kind.get_tokens_unprocessed is RegexLexer.get_tokens_unprocessed
        lexer = type("Mixed", (ExtendedRegexLexer, kind), {})()
        context = LexerContext('x = """a\n', 0, ["root"])
        list(lexer.get_tokens_unprocessed(context=context))
        assert len(context.stack) > 1
        inside = LexerContext("b\n", 0, list(context.stack))
        kinds = {str(kind) for _, kind, _ in lexer.get_tokens_unprocessed(context=inside)}
        assert kinds == {"Token.Literal.String.Double"}


def test_pygments_kinds_of_token_contain_their_special_cases() -> None:
    with contract("pygments changed its token types: highlight.py asks what is a comment"):
        assert Comment.Multiline in Comment
        assert Comment not in Comment.Multiline


def test_rich_splits_text_into_what_a_terminal_shows_as_one_character() -> None:
    with contract("rich changed split_graphemes: console.py reads start, end and cells"):
        text = "a漢e\u0301👍🏽"
        spans, total = split_graphemes(text)
        assert [(start, end) for start, end, _ in spans][:3] == [(0, 1), (1, 2), (2, 4)]
        assert sum(cells for _, _, cells in spans) == total == cell_len(text)


def test_rich_names_the_systems_of_colours() -> None:
    with contract("rich changed COLOR_SYSTEMS: console.py looks up the console's"):
        assert COLOR_SYSTEMS["truecolor"] is ColorSystem.TRUECOLOR
        assert COLOR_SYSTEMS["standard"] is ColorSystem.STANDARD
