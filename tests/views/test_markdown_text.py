"""Markdown decides style, never which characters are there.

Documents made here say what must be on the screen. For real ones, READMEs of packages from npm
under free licences (`support/readmes.tar.xz` has both), what must be there is found in a way that
knows nothing of the parser.
"""

from __future__ import annotations

import html
import io
import random
import re
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from deepreasoning_cli.views.markdown.stream import MarkdownStream, render_markdown
from support.markdown_documents import pieces
from support.often import Tried, often

CONSOLE = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")
READMES = Path(__file__).parents[1] / "support" / "readmes.tar.xz"
WIDTHS = (40, 80, 120)


def streamed(text: str, width: int, seed: int) -> list[str]:
    """The rows of a text that comes in random pieces."""
    stream = MarkdownStream(width, console=CONSOLE)
    rows = [row for piece in pieces(text, seed) for row in stream.feed(piece)]
    return ["".join(part.text for part in row) for row in rows + stream.close()]


def solid(text: str) -> str:
    return "".join(text.split())


# --- Documents that say what must be shown --------------------------------------------------------

WORDS = (
    *("word", "Größe", "a,b;", "50%", "(x)", '"so"', "it's", "1.5", "x=y", "a/b", "e.g.", "–", "…"),
    *(
        "a_b_c",
        "2*3*4",
        "x**2",
        "*.py",
        "**kwargs",
        "__init__.py",
        "COUNT(*)",
        "$5",
        "US$6",
        "AT&T",
    ),
    *(
        "C:\\Users",
        "\\\\srv\\x",
        "\\frac{1}{2}",
        "<T>",
        "<host:port>",
        "#tag",
        "[1]",
        "[^1]",
        "a|b",
    ),
    *(
        "https://a.example/_b_",
        "f[a](b)",
        "中文，「字」。",
        "日本語",
        "한국어",
        "עברית",
        "😀",
        "->",
        "~5",
    ),
)
SPANS = (  # as written, as shown
    *(("**bold**", "bold"), ("*em ph*", "emph"), ("__two words__", "twowords"), ("~~no~~", "no")),
    *(
        ("`a*b`", "a*b"),
        ("`` ` ``", "`"),
        ("**`c`**", "c"),
        ("***x***", "x"),
        ("**Note:**so", "Note:so"),
    ),
    *(("$a_1*b*c$", "$a_1*b*c$"), (r"\(\{x\} \\ y\)", r"\(\{x\}\\y\)"), (r"\[E\]", r"\[E\]")),
    *(("[t](u/_v_)", "t(u/_v_)"), ("[t](u 'v')", 't(u"v")'), ("![t](u)", "t(u)"), ("[u](u)", "u")),
    *(("<https://a.b/%27>", "https://a.b/%27"), (r"\*a\* \_", "*a*_"), ("&lt;b&gt;", "<b>")),
    *(("**「字」**は", "「字」は"), ("是**“问”**吗", "是“问”吗"), ("**S**trong", "Strong")),
)
FORMULA = ("$$", "a &= *b* \\\\", "=", "- c", "$$")


class Writer:
    """Writes a document at random, and what of it is text."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)

    def line(self) -> tuple[str, str]:
        """A line of words and spans, beginning with a word that begins no block."""
        parts = [(word, word) for word in ("So", "と", "Then")][self.dice.randrange(3) :][:1]
        for _ in range(self.dice.randint(0, 8)):
            word = self.dice.choice(WORDS)
            parts.append(self.dice.choice(SPANS) if self.dice.random() < 0.4 else (word, word))
        return " ".join(part for part, _ in parts), solid("".join(text for _, text in parts))

    def paragraph(self) -> tuple[list[str], str]:
        lines = [self.line() for _ in range(self.dice.choice((1, 1, 2, 4, 20)))]
        ends = ("", "", "  ", "\\")
        written = [line + self.dice.choice(ends) for line, _ in lines[:-1]] + [lines[-1][0]]
        return written, "".join(text for _, text in lines)

    def table(self) -> tuple[list[str], str]:
        columns = self.dice.randint(2, 4)
        cells = (
            ("a", "a"),
            ("`b|c`", "b|c"),
            (r"d\|e", "d|e"),
            ("**f**", "f"),
            ("", ""),
            ("$|g|$", "$|g|$"),
        )
        rows = [
            self.dice.choices(cells[:-1], k=columns) for _ in range(self.dice.choice((1, 3, 30)))
        ]
        rule = "|".join(self.dice.choices(("---", ":--", "--:", ":-:"), k=columns))
        written = ["| " + " | ".join(cell for cell, _ in row) + " |" for row in rows]
        shown = ["".join(text for _, text in row) for row in rows]
        written[0], shown[0] = "|".join("ABCD"[:columns]), "ABCD"[:columns]
        return [written[0], f"|{rule}|", *written[1:]], "".join(shown)

    def block(self, depth: int = 0) -> tuple[list[str], str]:
        kind = self.dice.randrange(10 if depth < 2 else 6)
        if kind < 3:
            return self.paragraph()
        if kind == 3:
            line, text = self.line()
            return [f"{'#' * self.dice.randint(1, 6)} {line}"], text
        if kind == 4:
            code = [self.dice.choice(WORDS) for _ in range(self.dice.randint(1, 4))]
            info = self.dice.choice(("", "python", "js a.js"))
            return [f"```{info}", *code, "```"], solid(info * (" " in info) + "".join(code))
        if kind == 5:
            return (
                (list(FORMULA), solid("".join(FORMULA)))
                if self.dice.random() < 0.5
                else self.table()
            )
        lines, text = self.blocks(depth + 1)
        if kind < 8:
            mark, shown = self.dice.choice((("- ", ""), ("* ", ""), ("7. ", "7."), ("10) ", "10)")))
            return [mark + lines[0], *(" " * len(mark) + line for line in lines[1:])], shown + text
        return [f"> {line}" for line in lines], text

    def blocks(self, depth: int) -> tuple[list[str], str]:
        parts = [self.block(depth) for _ in range(self.dice.randint(1, 3))]
        lines = [line for part, _ in parts for line in ("<!-- -->", "", *part, "")]
        return lines[:-1], "".join(f"<!---->{text}" for _, text in parts)


def undecorated(rows: list[str]) -> str:
    """What is on the screen but for bullets, bars and rules; signs of ours are in no document."""
    return re.sub("[•▌─]", "", solid("".join(rows)))


@given(st.integers(0, 10**9), st.sampled_from(WIDTHS))
@pytest.mark.no_cover  # the same lines thousands of times: only slower
@settings(max_examples=often(5_000))
def test_a_document_is_shown_but_for_the_marks_that_became_style(
    tried: Tried, seed: int, width: int
) -> None:
    lines, text = Writer(seed).blocks(0)
    assert undecorated(streamed("\n".join(lines), width, seed)) == text
    tried("markdown")


# --- Real documents -------------------------------------------------------------------------------


@cache
def readmes() -> dict[str, str]:
    with tarfile.open(READMES) as archive:
        names = [name for name in archive.getnames() if name.endswith("README.md")]
        files = {name: archive.extractfile(name) for name in names}
        return {name: file.read().decode() for name, file in files.items() if file}


_TABLE = re.compile(r"^.*\|.*\n[ >]*\|?[ :-]*-[ :|-]*\|[ :|-]*\n(?:.*\|.*(?:\n|\Z))*", re.MULTILINE)
_NO_TEXT = (
    (r"(?m)^([ >*+-]*(?:`{3,}|~{3,}))[ {.]*[\w+#-]+\}? *$", r"\1"),  # the language of a fence
    (r"\[`?([^\[\]]*?)`?\]\(<?\1>?\)", r"\1"),  # a link whose text is its address
    (r"&#?\w+;", ""),
    (r"\]\[[^\[\]]*\]", "]"),  # the label of a link that may be known
    (r"\]\(\)", ""),
    (r"\\(?=[*_`#<>&|~$+-])", ""),
)


def signs(text: str) -> Iterator[str]:
    """Letters, digits, and the signs that are no marks in Markdown."""
    return (sign for sign in text if sign.isalnum() or sign in ".,;?%$&@/{}^")


def text_signs(source: str) -> str:
    for pattern, rest in _NO_TEXT:
        source = re.sub(pattern, rest, source)
    return "".join(signs(source))


def first_missing(needed: str, found: str) -> str | None:
    """Where `needed` stops being part of `found`, in order."""
    place = 0
    for number, sign in enumerate(needed):
        place = found.find(sign, place) + 1
        if not place:
            return needed[max(0, number - 30) : number + 10]
    return None


@pytest.mark.parametrize("part", range(8))
def test_real_documents_are_shown_but_for_the_marks_that_became_style(part: int) -> None:
    assert len(readmes()) == 200
    for number, (name, source) in list(enumerate(readmes().items()))[part::8]:
        for width in WIDTHS:
            rows = streamed(source, width, number)
            found = "".join(signs("".join(rows)))
            # The cells of a table stand side by side, so only their signs are counted.
            assert first_missing(text_signs(_TABLE.sub("", source)), found) is None, (name, width)
            assert not Counter(text_signs(source)) - Counter(found), (name, width)
            assert not Counter(found) - Counter(signs(2 * source + html.unescape(source))), name


@pytest.mark.parametrize("part", range(8))
def test_the_rows_of_streamed_real_documents_are_those_of_the_whole_text(part: int) -> None:
    for number, (name, source) in list(enumerate(readmes().items()))[part::8]:
        width = WIDTHS[number % 3]
        whole = render_markdown(source, width, console=CONSOLE)
        rows = ["".join(segment.text for segment in row) for row in whole]
        assert streamed(source, width, number) == rows, name
