"""Where CommonMark's rule and what models mean differ: what they mean is shown."""

from __future__ import annotations

import io
from itertools import product

import pytest
from rich.console import Console

from deepreasoning_cli.views.markdown.stream import MarkdownStream, render_markdown

CONSOLE = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="truecolor")


def shown(text: str, width: int = 120) -> list[str]:
    rows = render_markdown(text, width, console=CONSOLE)
    return ["".join(segment.text for segment in row) for row in rows]


def styled(text: str, style: str) -> str:
    """What of the text is shown in the style: bold, italic, strike."""
    rows = render_markdown(text, 120, console=CONSOLE)
    parts = (part for row in rows for part in row if part.style and getattr(part.style, style))
    return "|".join(part.text for part in parts)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("An old pond\nA frog jumps\nsplash!", ["An old pond", "A frog jumps", "splash!"]),
        ("– Who is there?\n– *Nobody*.", ["– Who is there?", "– Nobody."]),
        ("> Roses are red\n> Violets are blue", ["▌ Roses are red", "▌ Violets are blue"]),
        ("> Roses are red\nViolets are blue", ["▌ Roses are red", "▌ Violets are blue"]),
        ("- one\n  two\n- three\nfour", [" • one", "   two", " • three", "   four"]),
        ("1. > one\n   > two", [" 1. ▌ one", "    ▌ two"]),
        ("one  \ntwo\\\nthree\n  four", ["one", "two", "three", "four"]),
        ("Between\n1986. and\n2. of May", ["Between", "1986. and", "2. of May"]),
        ("**bold\nof two** [a\nb](c)", ["bold", "of two a", "b (c)"]),
        ("a long\ntitle\n===", ["a long", "title"]),
    ],
)
def test_a_line_of_the_source_is_a_line_on_the_screen(text: str, rows: list[str]) -> None:
    assert shown(text) == rows


AS_IT_IS = (
    # formulas
    *(r"\( a_1 + b_1 \)", r"\[ E = mc^2 \]", r"$\left\{ x \right\}$", r"$a \\ b$", "$x_{1}*y*z$"),
    *(r"$5\%$", r"$$\int_0^1 x^2 \, dx$$", r"\(a*b*c\)", r"\[\{1, 2\}\]", r"the $n$th and $n$-th"),
    *(r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", r"$f: A \to B$ and $*$-algebras $a*b$"),
    *(
        r"\frac{1}{2} \cdot \{x\} \, y_{i}",
        r"\[not a link\](x)",
        r"$P(A|B) = \frac{P(A \cap B)}{P(B)}$",
    ),
    # prices
    *("$5 and $6", "US$5, CA$6 or 7$", "from $5-$10 to **", "$HOME/$USER and $PATH"),
    # products, powers, pointers, patterns
    *("2*3*4", "2 * 3 * 4", "2**3**4", "x*y*z", "a**b**c", "x**2 + y**2", "(a+b)*(c+d)*(e)"),
    *("(x)*3 + 4*(y)", "*p = a*b", "x *= 2; y *= 3", "f(*args, **kwargs) and g(*a, **kw)"),
    *("*args, **kwargs", "*.py and *.*", "src/*.py, tests/*.py", '"*.py" and "*.js"', "'*' or '*'"),
    *(
        "src/**/*.ts, lib/**/*.ts",
        "**/*.py and src/**",
        "COUNT(*) and SUM(*)",
        "SELECT *, x FROM *",
    ),
    *(
        "/* a */ and /* b */",
        "/*a*/",
        "*/5 * * * *",
        ".*foo.*",
        "Price* and cost*",
        "** not bold **",
    ),
    # names
    *("a_b_c", "snake_case_name", "__init__", "__init__.py and __main__.py", "obj.__dict__.keys()"),
    *('__name__ == "__main__"', "__FILE__ __LINE__", "__proto__", "pkg/__init__.py", "a/_b_/c"),
    *("x_{i} y_{j}", "2_000_000", "_", "__", "~5 and ~6", "~/a ~/b", "a~b~c"),
    # addresses
    *("https://a.example/_b_/__c__.html", "https://a.example/a_b_(c)", "http://a.example/~b~~c"),
    *("<host:port>", "<std:string> and Map<K:V>", "<user@host>", "vector<int>", "List<String>"),
    # brackets
    *("handlers[name](event)", "a[0](1, 2)", "[ ] todo", "[x] done", "done[^1]", "[1] and [2]"),
    *("[text][none]", "[open", "]("),
    # HTML
    *("<b>bold</b>", "a<br>b", "<details><summary>S</summary>", "</details>", "<!-- no -->"),
    *("AT&T", "a & b", "?a=1&copy=2", "&nosuch;"),
    # backslashes
    *(r"C:\Users\me", r"\\server\share", r"C:\\Users\\me", r"\d+\.\d+", r"\n and \t", "end\\"),
    # what only looks like a block
    *("#hashtag", "#5 is alive", "#!/bin/sh", "-5 degrees", "1.5 litres", "+49 30 1234", "2.x"),
    *("=> so", "====", "| a bar", "a | b", "|", "`open", "``", "7) ", "###"),
)


@pytest.mark.parametrize("text", AS_IT_IS)
def test_what_is_no_markdown_is_shown_as_it_is(text: str) -> None:
    for frame in ("{}", "so {} then", "> so {}", "- so {}", "# so {} then", "**so** {} *then*"):
        document = frame.format(text)
        row = "".join(shown(document))
        assert text.strip() in row, document


STYLED = [
    ("**bold** *em* ***both*** __two words__ _em_ ~~gone~~", "bold em both two words em gone"),
    (
        "**.NET** **/api/users** **src/** **--flag** **#1** **@user**",
        ".NET /api/users src/ --flag #1 @user",
    ),
    (
        "**https://a.example/b/** (**in**) [**in**] \"**in**\" **'in'**",
        "https://a.example/b/ (in) [in] \"in\" 'in'",
    ),
    ("**S**trengths **W**eak *word*, **Note:**text **so**.", "Strengths Weak word, Note:text so."),
    (
        "text**bold** and **Haupt**satz __Important__ __Note:__",
        "textbold and Hauptsatz Important Note:",
    ),
    ('*(note)* *"quoted"* *...and* *`code`* **`code`**', '(note) "quoted" ...and code code'),
    (r"\*not\* \_em\_ \# \`x\` 1\. \$5 \<b\> \~~ \| \& \-", "*not* _em_ # `x` 1. $5 <b> ~~ | & -"),
    ("&lt;b&gt; &amp; &quot;x&quot; &copy; &#42;a*", '<b> & "x" © *a*'),
    ("`a*b` `` ` `` `__x__` `$a$` `\\(`", "a*b ` __x__ $a$ \\("),
]


@pytest.mark.parametrize(("text", "row"), STYLED)
def test_marks_become_style(text: str, row: str) -> None:
    assert shown(text) == [row]


@pytest.mark.parametrize(
    ("text", "bold"),
    [
        ("这是**“问题”**在于", "“问题”"),
        ("**重要：**请注意。**注意！**再见", "重要：|注意！"),
        ("这里**（括号）**很重要", "（括号）"),
        ("**「用語」**は**『二重』**です", "「用語」|『二重』"),
        ("これは**重要。**です", "重要。"),
        ('**스크립트(script)**라고 **"한국어"**는', "スクリプト" and '스크립트(script)|"한국어"'),
        ("请看**`代码`**和**[链接](https://a.example)**。", "代码|链接| (|https://a.example|)"),
        ("คำว่า**สำคัญ**มาก و**كلمة** هنا", "สำคัญ|كلمة"),
        ("__重要：__请", "重要："),
    ],
)
def test_emphasis_works_beside_scripts_without_blanks(text: str, bold: str) -> None:
    assert styled(text, "bold") == bold
    assert not set("*_") & set("".join(shown(text)))


def test_a_formula_of_several_lines_is_left_as_it_is() -> None:
    ends = (("$$", "$$"), (r"\[", r"\]"), (r"\begin{align*}", r"\end{align*}"))
    for (start, end), (lead, shown_lead) in product(ends, (("", ""), ("> ", "▌ "), ("  ", "   "))):
        formula = [start, "a *b* &= {c} \\\\", "=", "- d", "+ e", "# f", "> g", "1. h", end]
        text = f"\n{lead}".join(["So", *formula, "**then**"])
        first, *rows = shown("- " + text if lead == "  " else lead + text)
        assert first in (f"{shown_lead}So", " • So")
        expected = ["", *formula, "", "then"]
        assert rows == [f"{shown_lead}{line}".rstrip() for line in expected]


def test_a_formula_without_an_end_ends_with_its_lines() -> None:
    assert shown("$$\na = *b*\n\nthen *c*") == ["$$", "a = *b*", "", "then c"]


TABLE = "| Command | What it does |\n|:--|{}|\n"


@pytest.mark.parametrize("side", ["---", ":--", "--:", ":-:"])
@pytest.mark.parametrize(
    ("row", "cells"),
    [
        ("| `ls | wc -l` | counts files |", ["ls | wc -l", "counts files"]),
        ("| `a || b` | logical or |", ["a || b", "logical or"]),
        ("| `` a ` | b `` | code |", ["a ` | b", "code"]),
        (r"| `a\|b` | c\|d |", ["a|b", "c|d"]),
        ("| $P(A|B)$ | prob |", ["$P(A|B)$", "prob"]),
        (r"| \(|x|\) | norm |", [r"\(|x|\)", "norm"]),
        ("| a | b | c | d |", ["a", "b | c | d"]),
        ("| a | b | |", ["a", "b"]),
        ("| a |", ["a", ""]),
        ("a | `b", ["a", "`b"]),
        ("| $5 | $6 |", ["$5", "$6"]),
    ],
)
def test_a_cell_of_a_table_is_never_dropped(row: str, cells: list[str], side: str) -> None:
    rows = shown(TABLE.format(side) + row)
    assert len(rows) == 3
    left, _, right = rows[2].partition("  ")
    assert [left.strip(), right.strip()] == cells


def test_a_bar_in_the_head_of_a_table_is_text_in_code() -> None:
    assert shown("| `a|b` | $|x|$ |\n|---|---|\n| 1 | 2 |") == [
        "a|b  $|x|$",
        "───  ─────",
        "1    2",
    ]


def test_a_line_without_a_bar_ends_a_table() -> None:
    assert shown("|a|b|\n|-|-|\n|1|2|\nNote: so.") == ["a  b", "─  ─", "1  2", "", "Note: so."]


def test_numbers_of_a_list_are_those_that_were_typed() -> None:
    assert shown("0. a\n2. b\n\n7) c\n7) d\n") == [" 0. a", " 2. b", "", " 7) c", " 7) d"]


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("<https://a.example/O%27s_x>", "https://a.example/O%27s_x"),
        ("https://a.example/O%27s_x", "https://a.example/O%27s_x"),
        ("[https://a.example/%20](https://a.example/%20)", "https://a.example/%20"),
        ("[é](https://a.example/é/%C3)", "é (https://a.example/é/%C3)"),
        ("[a](<b c> 'd') ![e](f \"g\")", 'a (b c "d") e (f "g")'),
        ("<me@a.example> [me@a.example](mailto:me@a.example)", "me@a.example me@a.example"),
        ("[a *b*](https://a.example/_c_)", "a b (https://a.example/_c_)"),
        ("请看[链接](url)。", "请看链接 (url)。"),
        ("[A (b)](https://a.example/A_(b))", "A (b) (https://a.example/A_(b))"),
    ],
)
def test_an_address_is_shown_once_and_as_it_was_typed(text: str, row: str) -> None:
    assert shown(text) == [row]


def test_a_footnote_is_text() -> None:
    assert shown("so[^1]\n\n[^1]: Word\n\nthen[^1]") == ["so[^1]", "", "[^1]: Word", "", "then[^1]"]


def test_what_a_fence_says_beside_its_language_is_shown() -> None:
    assert shown("```python:src/a.py\nx\n```") == ["python:src/a.py", "x"]
    assert shown('~~~js title="b.js"\nx\n~~~') == ['js title="b.js"', "x"]
    assert shown("```python\nx\n```\n\n```{.python}\ny\n```\n\n```text\nz") == [
        "x",
        "",
        "y",
        "",
        "z",
    ]


def test_prices_do_not_hold_up_a_paragraph() -> None:
    stream = MarkdownStream(40, console=CONSOLE)
    rows = [row for _ in range(60) for row in stream.feed("it costs $5 or a little more, ")]
    assert len(rows) > 30


@pytest.mark.parametrize("width", [20, 40, 60, 80])
def test_no_word_of_a_table_is_cut_where_the_screen_has_room_for_it(width: int) -> None:
    cells = ("--name", "does things that need many words", "`PROGRAM_OPTION`", "always everywhere")
    table = f"| a | b | c | d |\n|---|---|---|---|\n| {' | '.join(cells)} |\n| 1 | 2 | 3 | 4 |"
    text = " ".join(shown(table, width)).split()
    assert sorted(set(text) - {"─" * size for size in range(99)}) == sorted(
        {*"abcd1234", *" ".join(cells).replace("`", "").split()}
    )
