from __future__ import annotations

import io
import math
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.markdown import Markdown

from deepreasoning_cli.views.live import Row
from deepreasoning_cli.views.markdown import parser
from deepreasoning_cli.views.markdown.inline_rules import SpanState
from deepreasoning_cli.views.markdown.stream import (
    MarkdownStream,
    PlainStream,
    render_markdown,
)
from support.markdown_documents import documents, lists, pieces, quotes, simple
from support.often import Tried, often


def console() -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=True, color_system="truecolor")


CONSOLE = console()


def texts(rows: list[Row]) -> list[str]:
    return ["".join(segment.text for segment in row) for row in rows]


def rows_of(text: str, width: int = 80) -> list[str]:
    return texts(render_markdown(text, width, console=CONSOLE))


def streamed(stream: MarkdownStream | PlainStream, text: str, seed: int) -> list[Row]:
    """All rows of a stream that is fed at random, and asked for its tail at random."""
    rows = []
    for number, piece in enumerate(pieces(text, seed)):
        rows += stream.feed(piece)
        if (number + seed) % 37 == 0:
            assert len(stream.tail(3)) <= 3
    return rows + stream.close()


widths = st.sampled_from([80, 40, 20, 7, 1, 13, 30, 60, 80, 80, 100, 120])
seeds = st.integers(0, 10_000)


def assert_streams_whole(document: str, width: int, seed: int) -> None:
    stream = MarkdownStream(width, console=CONSOLE)
    expected = render_markdown(document, width, console=CONSOLE)
    assert streamed(stream, document, seed) == expected
    for text in texts(expected):
        assert text == text.rstrip()
        assert cell_len(text) <= max(width, 2)


# --- The stream is the whole ---------------------------------------------------------------------


@given(documents(simple), widths, seeds)
@pytest.mark.no_cover  # the same lines thousands of times: only slower
@settings(max_examples=often(1_600, 4_000))
def test_the_rows_of_a_stream_are_those_of_the_whole_text(
    tried: Tried, document: str, width: int, seed: int
) -> None:
    assert_streams_whole(document, width, seed)
    tried("markdown")


@example("- \n\n\n\n- a", 80, 0)
@given(documents(st.one_of(lists(simple), quotes(simple))), widths, seeds)
@pytest.mark.no_cover  # the same lines thousands of times: only slower
@settings(max_examples=often(1_000, 3_000))
def test_the_rows_of_streamed_lists_and_quotations_are_those_of_the_whole_text(
    tried: Tried, document: str, width: int, seed: int
) -> None:
    assert_streams_whole(document, width, seed)
    tried("markdown")


@example("[known]: http://known.example\n\n - a\n   * b |\n     ---\n", 80, 0)
@example("> \n    > a\n    > b\n", 80, 0)
@example("- ```\n  a\n\nb\n```\n", 80, 0)
@given(documents(), widths, seeds)
@pytest.mark.no_cover  # the same lines thousands of times: only slower
@settings(max_examples=often(400, 2_000))
def test_the_rows_of_streamed_nested_blocks_are_those_of_the_whole_text(
    tried: Tried, document: str, width: int, seed: int
) -> None:
    assert_streams_whole(document, width, seed)
    tried("markdown")


@given(documents(), widths, seeds)
@settings(max_examples=60)
def test_what_was_handed_out_and_the_tail_are_the_whole_text_so_far(
    document: str, width: int, seed: int
) -> None:
    stream = MarkdownStream(width, console=CONSOLE)
    rows: list[Row] = []
    text = ""
    for number, piece in enumerate(pieces(document, seed)):
        rows += stream.feed(piece)
        text += piece
        if number % 17 == seed % 17:
            tail = stream.tail(len(text) * 4 + 10)
            assert rows + tail == render_markdown(text, width, console=CONSOLE)
            assert stream.tail(2) == tail[-2:]
    assert stream.tail(0) == []


def test_a_closed_stream_begins_anew() -> None:
    stream = MarkdownStream(80, console=CONSOLE)
    first = [*stream.feed("- a\n- b"), *stream.close()]
    second = [*stream.feed("- a\n- b"), *stream.close()]
    assert texts(first) == texts(second) == [" • a", " • b"]
    assert stream.close() == []


# --- When rows come ------------------------------------------------------------------------------


def fed(text: str, width: int = 40) -> list[str]:
    """The rows that are out after `text`, given in pieces of five characters."""
    stream = MarkdownStream(width, console=CONSOLE)
    parts = (text[start : start + 5] for start in range(0, len(text), 5))
    return texts([row for part in parts for row in stream.feed(part)])


def test_a_list_comes_item_by_item() -> None:
    assert fed("- a\n- b\n- c\n") == [" • a", " • b"]


def test_a_list_in_a_list_in_a_quotation_comes_item_by_item() -> None:
    assert fed("> 1. a\n>    - b\n>    - c\n") == ["▌  1. a", "▌      • b"]


def test_a_quotation_comes_paragraph_by_paragraph() -> None:
    assert fed("> a\n>\n> b\n>\n> c\n") == ["▌ a", "▌", "▌ b"]


def test_a_fence_comes_line_by_line() -> None:
    assert fed("```python\nx = 1\n\ny = 2\n") == ["x = 1", "", "y = 2"]


def test_indented_code_comes_line_by_line() -> None:
    assert fed("    a\n\n    b\n    c\n") == ["a", "", "b"]


def test_a_long_table_comes_row_by_row_in_columns_that_its_first_rows_decide() -> None:
    head = "|a|b|\n|-|-:|\n"
    body = "".join(f"|x{number}|{number}|\n" for number in range(30))
    rows = fed(head + body)
    assert rows == rows_of(head + body, 40)
    assert rows[:3] == ["a     b", "───  ──", "x0    0"]
    assert fed(head + body[:60]) == []


def test_a_late_wide_cell_of_a_long_table_is_wrapped_in_its_column() -> None:
    table = "|a|b|\n|-|-|\n" + "|x|y|\n" * 25 + "|wide|z|\n"
    assert rows_of(table)[-4:] == ["w  z", "i", "d", "e"]


def test_a_long_paragraph_comes_row_by_row_before_its_line_ends() -> None:
    words = " ".join(f"word{number}" for number in range(200))
    rows = fed(words)
    assert len(rows) >= len(rows_of(words, 40)) - 4
    assert rows == rows_of(words, 40)[: len(rows)]


def test_a_long_chinese_paragraph_has_no_blanks_and_comes_row_by_row_too() -> None:
    text = "天地玄黄宇宙洪荒日月盈昃辰宿列张" * 60
    rows = fed(text)
    assert len(rows) >= len(rows_of(text, 40)) - 12
    assert rows == rows_of(text, 40)[: len(rows)]


@pytest.mark.parametrize("span", ["**", "`", "[", "~~", "_"])
def test_a_paragraph_waits_at_a_span_that_is_still_open(span: str) -> None:
    before = "plain words " * 40
    rows = fed(before + span + "open words " * 30)
    assert rows == rows_of(before, 40)[: len(rows)]
    assert len(rows) >= 8


def test_a_span_that_is_never_closed_is_given_up_after_two_thousand_characters() -> None:
    text = "**" + "open words " * 400
    assert len(fed(text)) >= 50
    stream = MarkdownStream(40, console=CONSOLE)
    assert texts(streamed(stream, text, 1)) == rows_of(text, 40)


def test_a_short_paragraph_can_become_a_heading_and_a_long_one_cannot() -> None:
    assert rows_of("short\n===") == ["short"]
    long = "word " * 100
    assert rows_of(f"{long}\n===")[-1].endswith("===")
    assert fed(f"{long}\n===\n") == fed(f"{long}\n===")


def test_after_a_resize_rows_have_the_new_width() -> None:
    stream = MarkdownStream(80, console=CONSOLE)
    text = "word " * 120
    rows = stream.feed(text)
    stream.resize(20)
    more = stream.feed(text) + stream.close()
    assert max(cell_len(row) for row in texts(more)) <= 20
    assert " ".join(texts(rows + more)) == (text + text).strip()


# --- What rows look like -------------------------------------------------------------------------


def test_blocks_stand_apart_and_lists_are_close() -> None:
    document = (
        "# Title\n\ntext\n---\n\n***\n1. one\n\n   more\n   ```\n   code\n   ```\n\n2. two\n   - in"
    )
    assert rows_of(document, 20) == [
        *("Title", "", "text", "", "─" * 20, ""),
        *(" 1. one", "", "    more", "", "    code", " 2. two", "     • in"),
    ]


def test_a_number_takes_the_room_of_two_digits_or_of_all_it_has() -> None:
    assert rows_of("9. a\n10. b\n") == [" 9. a", "10. b"]
    assert rows_of("99. a\n100. b\n     \n     c\n") == ["99. a", "100. b", "", "     c"]


def test_html_is_shown_as_text() -> None:
    assert rows_of("<details>x</details>\n\na <b>c</b> <!-- d -->\n\n<script>\ny") == [
        *("<details>x</details>", "", "a <b>c</b> <!-- d -->", "", "<script>", "y"),
    ]


def test_links_are_printed_not_made() -> None:
    text = "[bank](https://evil.example) <https://a.example> ![pic](p.png) ![](q.png)"
    assert rows_of(text) == [
        "bank (https://evil.example) https://a.example pic (p.png) (q.png)",
    ]
    rows = render_markdown(text, 80, console=CONSOLE)
    assert not [segment for row in rows for segment in row if segment.style and segment.style.link]


def test_a_link_definition_is_shown_and_serves_the_links_after_it() -> None:
    late = "[a]\n\ntext\n\n[a]: http://x.example 'title'\n[b]: http://y.example\n\n[a]"
    stream = MarkdownStream(80, console=CONSOLE)
    rows = [row for line in late.splitlines(keepends=True) for row in stream.feed(line)]
    assert (
        texts(rows + stream.close())
        == rows_of(late)
        == [
            *("[a]", "", "text", "", "[a]: http://x.example 'title'", "[b]: http://y.example", ""),
            'a (http://x.example "title")',
        ]
    )


@pytest.mark.parametrize(
    "entity", ["&#x202e;", "&#x2066;", "&#x200b;", "&#xE0041;", "&#x2028;", "&NewLine;", "&Tab;"]
)
@pytest.mark.parametrize("frame", ["a{}b", "- a{}b", "|a{}b|\n|-|", "# a{}b", "[a{}b](u)"])
def test_entities_do_not_bring_control_characters_back(entity: str, frame: str) -> None:
    text = "".join(rows_of(frame.format(entity)))
    assert text.isprintable()
    assert "a" in text
    assert "b" in text


def test_code_is_exact_and_has_no_padding() -> None:
    assert rows_of("```\n\n\tindented  \n```\n", 80) == ["", "    indented"]
    assert rows_of("```\n" + "0123456789" * 3 + "\n```\n", 20) == [
        "01234567890123456789",
        "0123456789",
    ]


def test_narrow_lists_and_quotations_are_not_indented() -> None:
    assert rows_of("10. word\n", 5) == ["10.", "word"]
    assert rows_of("> word\n", 5) == ["word"]
    assert rows_of("|ab|cd|\n|-|-|\n|ef|gh|\n", 5) == ["ab", "cd", "ef", "gh"]


def test_nesting_without_end_becomes_text_and_loses_nothing() -> None:
    rows = rows_of(">" * 60 + " word " + "* " * 60 + "end", 200)
    assert "".join(rows).count(">") + "".join(rows).count("▌") >= 60
    assert rows[-1].endswith("end")


def test_an_ascii_terminal_gets_ascii_signs() -> None:
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    rows = texts(render_markdown("- a\n\n> b\n\n---\n", 20, console=Console(file=stdout)))
    assert rows == [" * a", "", "| b", "", "-" * 20]


def test_nothing_has_a_background() -> None:
    document = "# a\n\nb **c** `d`\n\n- e\n\n> f\n\n|g|\n|-|\n|h|\n\n```python\ni = 1\n```\n\n    j"
    rows = render_markdown(document, 80, console=CONSOLE)
    shown = [segment for row in rows for segment in row if segment.text.strip()]
    assert "".join("".join(texts(rows)).split()) == "abcd•e▌fg─hi=1j"
    assert not any(segment.style and segment.style.bgcolor for segment in shown)


plain_words = st.text("abcdefgh", min_size=1, max_size=9)
bullets = st.lists(st.lists(plain_words, min_size=1, max_size=25), min_size=1, max_size=5)


@given(bullets)
@settings(max_examples=100)
def test_paragraphs_and_bullet_lists_are_broken_as_rich_breaks_them(
    paragraphs: list[list[str]],
) -> None:
    text = "\n\n".join(" ".join(words) for words in paragraphs)
    text += "\n\n- " + "\n  - ".join(" ".join(words) for words in paragraphs)
    rich = Console(file=io.StringIO(), width=60, record=True)
    rich.print(Markdown(text))
    lines = [line.rstrip() for line in rich.export_text().splitlines() if line.strip()]
    assert [row for row in rows_of(text, 60) if row] == lines


# --- Text as it is -------------------------------------------------------------------------------

PROSE = "abc déf中文，。「字」العربية😀👩‍👩‍👧e\u0301 한국 "
prose = st.text(st.sampled_from(PROSE), max_size=300)


def solid(text: str) -> str:
    return "".join(text.split())


@given(st.text(st.sampled_from(PROSE + "\n\t- "), max_size=300), st.integers(1, 200), seeds)
@settings(max_examples=300)
def test_plain_text_is_shown_completely_and_the_same_however_it_is_cut(
    text: str, width: int, seed: int
) -> None:
    at_once = PlainStream(width)
    rows = at_once.feed(text) + at_once.close()
    assert streamed(PlainStream(width), text, seed) == rows
    assert solid("".join(texts(rows))) == solid(text)
    assert all(cell_len(row) <= max(width, 2) for row in texts(rows))


@given(st.lists(prose, max_size=4), st.integers(1, 200), seeds)
@settings(max_examples=300)
def test_plain_paragraphs_of_markdown_are_shown_completely(
    paragraphs: list[str], width: int, seed: int
) -> None:
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    rows = streamed(MarkdownStream(width, console=CONSOLE), text, seed)
    assert solid("".join(texts(rows))) == solid(text)


def test_a_line_of_plain_text_comes_row_by_row() -> None:
    stream = PlainStream(10)
    assert texts(stream.feed("one two three four five six")) == ["one two", "three four"]
    assert texts(stream.tail(5)) == ["five six"]
    stream.resize(20)
    assert texts(stream.feed(" seven\n\n\n")) == ["five six seven"]
    assert texts(stream.feed("eight\n\n") + stream.close()) == ["", "", "eight"]


def test_blank_lines_at_the_ends_of_plain_text_are_dropped() -> None:
    stream = PlainStream(10)
    assert stream.feed("\n\n  \n") == []
    assert texts(stream.feed("  a\n\n")) == ["  a"]
    assert stream.tail(5) == []
    assert stream.close() == []


# --- Work ----------------------------------------------------------------------------------------

SENTENCE = "seven words of prose and no more "
ENDLESS: dict[str, Callable[[int], str]] = {
    "list": lambda number: f"- item {number} {SENTENCE}\n",
    "numbered list": lambda number: f"{number + 1}. **item** {SENTENCE}\n",
    "nested list": lambda number: ("" if number else "- a\n") + f"  - item {SENTENCE}\n",
    "table": lambda number: ("" if number else "|a|b|\n|-|-|\n") + f"|{number}|{SENTENCE}|\n",
    "paragraph": lambda _: SENTENCE,
    "chinese paragraph": lambda _: "天地玄黄，宇宙洪荒。",
    "hard-wrapped paragraph": lambda _: f"{SENTENCE}\n",
    "quotation": lambda _: f"> {SENTENCE}\n",
    "quoted paragraphs": lambda _: f"> {SENTENCE}\n>\n",
    "code": lambda number: ("" if number else "```python\n") + f"x = {number}  # {SENTENCE}\n",
    "quoted code": lambda number: ("" if number else "> - ```c\n") + f">   x = {number};\n",
    "indented code": lambda _: f"    {SENTENCE}\n",
    "word": lambda _: "abcdefgh",
    "open emphasis": lambda number: ("" if number else "*") + SENTENCE,
    "blank lines": lambda _: "\n",
    "definitions": lambda number: f"[{number}]: http://x.example/{number}\n",
    "mixed": lambda number: f"## {number}\n\n{SENTENCE * 9}\n\n- a\n- b\n\n```\nx\n```\n\n> q\n\n",
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_the_work_of_an_endless_block_grows_with_its_length(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0
    blocks, inline = parser.Parser.blocks, parser.Parser._state

    def counted_blocks(self: parser.Parser, source: str) -> parser.Node:
        nonlocal read
        read += len(source) + 40
        return blocks(self, source)

    def counted_inline(self: parser.Parser, text: str) -> SpanState:
        nonlocal read
        read += len(text) + 10
        return inline(self, text)

    monkeypatch.setattr(parser.Parser, "blocks", counted_blocks)
    monkeypatch.setattr(parser.Parser, "_state", counted_inline)

    def work(tokens: int) -> int:
        nonlocal read
        read, number, text = 0, 0, ""
        while len(text) < tokens * 4:
            text += ENDLESS[kind](number)
            number += 1
        stream = MarkdownStream(78, console=CONSOLE)
        for start in range(0, len(text), 4):
            stream.feed(text[start : start + 4])
        stream.close()
        return read

    small, large = work(2_000), work(16_000)
    assert math.log(large / small, 8) <= 1.1
    assert large <= 16_000 * 4 * 12


def test_the_tail_of_a_line_without_end_looks_at_no_more_than_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = MarkdownStream(80, console=CONSOLE)
    stream.feed("```\n" + "x" * 1_000_000)
    lengths = []
    blocks = parser.Parser.blocks

    def counted(self: parser.Parser, source: str) -> parser.Node:
        lengths.append(len(source))
        return blocks(self, source)

    monkeypatch.setattr(parser.Parser, "blocks", counted)
    assert texts(stream.tail(10)) == ["x" * 80] * 10
    assert texts(stream.tail(10)) == ["x" * 80] * 10
    assert len(lengths) == 1
    assert lengths[0] < 5_000


WORDS = [f"w{n:03d}" for n in range(150)]
GROWING = {
    "paragraph": " ".join(WORDS),
    "list": "".join(f"- {word}\n" for word in WORDS),
    "numbers": "".join(f"{n}. {word}\n\n" for n, word in enumerate(WORDS)),
    "quotation": "".join(f"> {word}\n>\n" for word in WORDS),
    "nested": "".join(f"> 1. - {word}\n>\n" for word in WORDS),
    "fence": "```python\n" + "".join(f"{word} = 1\n" for word in WORDS),
    "table": "| a | b |\n|---|---|\n" + "".join(f"| {word} | x |\n" for word in WORDS),
}


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("kind", GROWING)
def test_each_word_is_in_a_final_row_or_in_what_is_unfinished(kind: str, plain: bool) -> None:
    stream = PlainStream(30) if plain else MarkdownStream(30, console=CONSOLE)
    text, rows = GROWING[kind], list[Row]()
    for start in range(0, len(text), 7):
        rows += stream.feed(text[start : start + 7])
        words = text[: start + 7].replace("|", " ").split()[:-1]
        seen = "\n".join([*texts(rows), stream.unfinished])
        wrong = [word for word in WORDS if seen.count(word) != (word in words) and word in words]
        assert (wrong, "\0" in seen) == ([], False)
    assert len(stream.unfinished) < len(text) / 2
