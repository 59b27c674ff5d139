"""Markdown documents made at random, and their pieces.

One thing legitimately differs between a stream's rows and the whole text's, and is left out by
construction: no paragraph is so long that an open span in it is given up.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from hypothesis import assume
from hypothesis import strategies as st


def pieces(text: str, seed: int) -> Iterator[str]:
    """`text` in random pieces: mostly of one size, from single characters to all at once."""
    dice = random.Random(seed)
    most = dice.choice([1, 4, 4, 30, 300, 10_000])
    while text:
        size = dice.randint(1, most)
        yield text[:size]
        text = text[size:]


SPANS = (
    *("lorem", "ipsum", "dolor", "sit", "amet,", "consectetur", "a", "the", "snake_case", "a*b"),
    *("2", "*", "3", "|", "--", "+", "#", ">", "~"),
    *("**bold words**", "*em*", "***both***", "~~gone~~", "`code`", "`` a ` b ``", "__strong__"),
    *("$x_{1}*y*z$", "$5", "US$6,", "$a", "b$", r"\(a_1 \{b\}\)", r"\[E = mc^2\]", r"\(open"),
    *(
        r"\begin{a} b \\ c",
        r"\end{a}",
        "x**2",
        "**kwargs",
        "*.py",
        "a/**/*.py",
        "__init__.py",
        "$$",
    ),
    *(
        "**「foo」**は",
        "**重要：**请",
        "**S**trengths",
        "text**bold**",
        "**Note:**so",
        '"*"',
        "(*)",
    ),
    *("https://a.example/_b_/__c__", "<host:port>", "<a@b.example>", "f[a](b)", "[late]", "[^1]"),
    *("[link](http://x.example/a 'title')", "[known]", "[text][known]", "<http://auto.example>"),
    *("![image](pic.png)", "[no](javascript:x)", "[open", "**open", "`open", "\\*", "a\\_b"),
    *("<details>x</details>", "<!-- no -->", "&amp;", "&#x202e;", "&NewLine;", "&copy"),
    *("中文字符，漢語。", "（全形）", "日本語の「文」", "한국어", "العربية", "עברית", "नमस्ते"),
    *("😀", "👩‍👩‍👧", "❤️", "e\u0301", "tab\tbed", "https://long.example/" + "path/" * 9),
)
CODE = (
    *(
        "def f(x):",
        "    return 'é' * x  # 中文",
        "",
        "/* from",
        "to */",
        '"""open',
        "\tx = 1",
        "``",
    ),
    *('{"a": [1, 2]}', "<p class='a'>", "# no heading", "- no item", "x" * 90, "   "),
)
LANGUAGES = ("", "", "python", "c", "json", "html", "yaml", "nosuch", "python x=1")
RAW = "ab1 #*->`_|[]()\\~+=:!<&.\t$"

words = st.lists(st.sampled_from(SPANS), min_size=1, max_size=8).map(" ".join)
long_words = (
    st.integers(0, 999).map(lambda seed: random.Random(seed).choices(SPANS, k=60)).map(" ".join)
)
Lines = list[str]


def prefixed(lines: Lines, first: str, rest: str) -> Lines:
    return [first + lines[0], *(f"{rest}{line}".rstrip() for line in lines[1:])]


def joined(blocks: list[Lines], blank: bool) -> Lines:
    return [line for block in blocks for line in ([*block, ""] if blank else block)]


@st.composite
def paragraphs(draw: st.DrawFn) -> Lines:
    kind = draw(st.sampled_from(["one", "some", "long"]))
    if kind == "long":
        return [draw(long_words)]
    lines = draw(st.lists(words, min_size=1, max_size=1 if kind == "one" else 4))
    return [line + draw(st.sampled_from(["", "", "  ", "\\"])) for line in lines]


@st.composite
def fences(draw: st.DrawFn) -> Lines:
    mark = draw(st.sampled_from(["```", "~~~", "````"]))
    lines = draw(st.lists(st.sampled_from(CODE), max_size=12))
    opened = draw(st.sampled_from(["", " ", "   "])) + mark + draw(st.sampled_from(LANGUAGES))
    return [opened, *lines, *([mark] if draw(st.integers(0, 9)) else [])]


@st.composite
def tables(draw: st.DrawFn) -> Lines:
    columns = draw(st.integers(1, 4))
    height = draw(st.sampled_from([0, 2, 5, 30]))
    dice = random.Random(draw(st.integers(0, 999)))
    cells = [word.replace("|", "") for word in SPANS]
    body = [" | ".join(dice.choice(cells) for _ in range(columns)) for _ in range(height + 1)]
    rule = "|".join(dice.choice(["---", ":--", "--:", ":-:"]) for _ in range(columns))
    head, *rows = (f"| {line} |" for line in body)
    return [head, f"|{rule}|", *rows]


simple = st.one_of(
    paragraphs(),
    paragraphs(),
    fences(),
    tables(),
    st.tuples(st.sampled_from(["# ", "## ", "#### "]), words).map(lambda pair: ["".join(pair)]),
    st.tuples(words, st.sampled_from(["===", "---", "-"])).map(list),
    st.sampled_from([["---"], ["* * *"], ["[late]: http://late.example"], ["[not"], [""]]),
    st.sampled_from([["$$", "a", "=", "- b", "$$"], ["\\[", "x", "> 0 \\] so"], ["[^1]: Note"]]),
    st.sampled_from([["An old pond", "A frog jumps", "splash!"], ["#tag"], ["#"], ["$$", "**a**"]]),
    st.lists(st.sampled_from(["    a = 1", "      b", "", "\tc"]), min_size=1, max_size=5),
    st.text(RAW, min_size=1, max_size=30).map(lambda line: [line]),
)


@st.composite
def lists(draw: st.DrawFn, blocks: st.SearchStrategy[Lines]) -> Lines:
    bullet = draw(st.sampled_from(["-", "*", "+", "1.", "8.", "98)", "1986."]))
    lines: Lines = []
    for number in range(draw(st.integers(1, 4))):
        digits = bullet.rstrip(".)")
        marker = bullet.replace(digits, str(int(digits) + number)) if digits.isdigit() else bullet
        lead = draw(st.sampled_from(["", "", " ", "   "])) + marker + " " * draw(st.integers(1, 4))
        content = joined(draw(st.lists(blocks, min_size=1, max_size=2)), draw(st.booleans()))
        lines += prefixed(content, lead, " " * len(lead))
    return lines


@st.composite
def quotes(draw: st.DrawFn, blocks: st.SearchStrategy[Lines]) -> Lines:
    content = joined(draw(st.lists(blocks, min_size=1, max_size=2)), draw(st.booleans()))
    lazy = draw(st.integers(0, 9))
    mark = draw(st.sampled_from(["> ", "> ", ">"]))
    return [line if lazy == number else f"{mark}{line}" for number, line in enumerate(content, 1)]


nested = st.recursive(simple, lambda blocks: st.one_of(lists(blocks), quotes(blocks)), max_leaves=5)


def may_give_up_a_span(block: str) -> bool:
    """Whether what was made as a long table may be read as a paragraph, too long for its spans."""
    return len(block) > 1_900 and len({line.partition("|")[0] for line in block.split("\n")}) > 1


@st.composite
def documents(draw: st.DrawFn, blocks: st.SearchStrategy[Lines] = nested) -> str:
    parts = draw(st.lists(blocks, min_size=1, max_size=3))
    lines = ["[known]: http://known.example"]
    for part in parts:
        lines += ["", *part] if draw(st.integers(0, 7)) else part
    text = "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
    assume(not any(map(may_give_up_a_span, text.split("\n\n"))))
    return text
