from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Chunk, End, ModelReported, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client.think import ThinkSplitter, split_thinking


def split(*pieces: str, opens_thinking: bool = False) -> tuple[str, str]:
    """Reasoning and answer, each joined."""
    splitter = ThinkSplitter(opens_thinking)
    parts = [part for piece in pieces for part in splitter.feed(piece)] + splitter.close()
    assert all(part.text for part in parts)
    return (
        "".join(part.text for part in parts if isinstance(part, Thought)),
        "".join(part.text for part in parts if isinstance(part, Text)),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<think>six sevens</think>42", ("six sevens", "42")),
        ("\n <think>\nsix sevens\n</think>\n\n42\n", ("six sevens\n", "42\n")),
        ("42", ("", "42")),
        ("  42", ("", "  42")),
        ("", ("", "")),
        (" \n", ("", " \n")),
        ("<think></think>42", ("", "42")),
        ("<think>\n\n</think>\n\n42", ("", "42")),
        ("<think>cut in the mid", ("cut in the mid", "")),
        ("<think>cut in the tag</thi", ("cut in the tag</thi", "")),
        ("<think>a<think>b</think>c</think>d", ("a<think>b", "c</think>d")),
        ("<think>a < b, </thin king></think>c", ("a < b, </thin king>", "c")),
        ("<think>a<</think>b", ("a<", "b")),
        ("The tag <think>x</think> is text here", ("", "The tag <think>x</think> is text here")),
        ("</think>42", ("", "</think>42")),
        ("<th", ("", "<th")),
        ("<thing>", ("", "<thing>")),
        ("<THINK>x</THINK>", ("", "<THINK>x</THINK>")),
        ("<think>\ud83d</think>\ude00", ("\ud83d", "\ude00")),
        ("<thinking>six sevens</thinking>42", ("six sevens", "42")),
        ("<thought>six sevens</thought>42", ("six sevens", "42")),
        ("<seed:think>six</think> sevens</seed:think>42", ("six</think> sevens", "42")),
        ("[THINK]six [/THINK sevens[/THINK]42", ("six [/THINK sevens", "42")),
        ("◁think▷six sevens◁/think▷42", ("six sevens", "42")),
        ("[THINKING] is a word", ("", "[THINKING] is a word")),
    ],
)
def test_the_reasoning_stands_between_the_first_tags(
    content: str, expected: tuple[str, str]
) -> None:
    assert split(content) == expected
    assert split(*content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("six sevens</think>\n\n42", ("six sevens", "42")),
        ("<think>six sevens</think>42", ("six sevens", "42")),
        ("\n\nsix sevens", ("six sevens", "")),
        (" <th", ("<th", "")),
        ("</think>42", ("", "42")),
        ("", ("", "")),
    ],
)
def test_a_host_that_omits_the_opening_tag_begins_with_reasoning(
    content: str, expected: tuple[str, str]
) -> None:
    assert split(content, opens_thinking=True) == expected
    assert split(*content, opens_thinking=True) == expected


def test_what_is_certain_is_given_at_once_and_a_possible_tag_is_held() -> None:
    splitter = ThinkSplitter()
    pieces = ("<th", "ink>six", " sevens</", "b> are", "</think>", "\n", "42", "<think>")
    assert [splitter.feed(piece) for piece in pieces] == [
        [],
        [Thought("six")],
        [Thought(" sevens")],
        [Thought("</b> are")],
        [],
        [],
        [Text("42")],
        [Text("<think>")],
    ]
    assert splitter.close() == []


def test_one_piece_can_hold_both_tags() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>a</think>b") == [Thought("a"), Text("b")]


def test_content_is_answer_once_the_reasoning_has_a_field_of_its_own() -> None:
    splitter = ThinkSplitter(opens_thinking=True)
    assert splitter.feed("\n") == []
    assert splitter.separate() == []
    assert splitter.feed("<think> is a tag") == [Text("<think> is a tag")]
    assert splitter.separate() == []


def test_half_a_tag_before_separate_reasoning_was_answer() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<th") == []
    assert splitter.separate() == [Text("<th")]


def test_an_open_tag_is_still_closed_after_separate_reasoning() -> None:
    splitter = ThinkSplitter()
    assert splitter.feed("<think>a</th") == [Thought("a")]
    assert splitter.separate() == []
    assert splitter.feed("ink>b") == [Text("b")]


tagged = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "</", "think", ">", " ", "\n", "a", "é"]),
    max_size=12,
).map("".join)


@given(content=tagged, opens_thinking=st.booleans(), data=st.data())
def test_every_cutting_gives_the_same(
    content: str, opens_thinking: bool, data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.integers(0, len(content))).map(sorted))
    cuts = [0, *places, len(content)]
    pieces = [content[start:end] for start, end in pairwise(cuts)]
    whole = split(content, opens_thinking=opens_thinking)
    assert split(*pieces, opens_thinking=opens_thinking) == whole


@given(content=st.text().filter(lambda text: not text.lstrip().startswith("<think>")))
def test_content_without_a_leading_tag_is_answer_to_the_letter(content: str) -> None:
    assert split(content) == ("", content)


def test_inline_reasoning_is_told_apart_among_other_chunks() -> None:
    chunks: list[Chunk] = [
        ModelReported("m"),
        Text("<thi"),
        Text("nk>six</think>\n4"),
        Text("2"),
        Usage(1, 2),
        End("end_turn"),
    ]
    assert list(split_thinking(chunks)) == [
        ModelReported("m"),
        Thought("six"),
        Text("4"),
        Text("2"),
        Usage(1, 2),
        End("end_turn"),
    ]


def test_a_thought_of_its_own_makes_all_text_answer() -> None:
    chunks: list[Chunk] = [Text(" "), Thought("six"), Text("<think>42"), End(None)]
    assert list(split_thinking(chunks)) == [Thought("six"), Text("<think>42"), End(None)]


def test_a_reply_that_was_cut_loses_nothing_that_was_held_back() -> None:
    assert list(split_thinking([Text("<think>six</th")])) == [Thought("six"), Thought("</th")]
