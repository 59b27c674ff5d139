"""A cut answer and the reply that continues it: joined without a doubled or missing character."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.continuation import (
    GO_ON,
    Seam,
    open_fence,
    tail_of,
    with_cut_answer,
)
from deepreasoning_cli.pipeline.events import Message, Prompt

PROSE: Final = (
    "The night sky is dark because the universe has a **finite age**: light from beyond about"
    " 13.8 billion light-years has not reached us yet. It also expands, which shifts old light"
    " into the infrared.\n\nSee Olbers's paradox — Kepler had named it in 1610, long before Olbers"
    " did; had had had its day, as papaya and coconut show.\n"
)
CODE: Final = (
    "Use a set:\n\n```python\ndef unique(items):\n    seen = set()\n    for item in items:\n"
    "        if item not in seen:\n            seen.add(item)\n            yield item\n"
    "    print(1)\n    print(1)\n```\n\nIt keeps the order.\n\n~~~\nplain\n~~~"
)
TABLE: Final = (
    "| effect | share | who |\n|--------|-------|-----|\n| finite age | 99 % | Poe 1848 |\n"
    "| redshift | 1 % | Hubble 1929 |\n\n----------------------------------------\n\n"
    "1. one\n2. two\n3. three\n\n[0, 0, 0, 0, 0, 0, 0, 0]\n"
)
CHINESE: Final = (
    "夜空之所以黑暗，是因為宇宙的年齡有限。光速也有限🌌，"
    "遠方的光還沒有到達。👩‍🔬 這就是奧伯斯佯謬。"
)
FORTY_TWO: Final = "**42** is the answer."
TEXTS: Final = {"prose": PROSE, "code": CODE, "table": TABLE, "cjk": CHINESE, "short": FORTY_TWO}


def joined(kept: str, reply: str, sizes: Sequence[int] = (3, 1, 7, 2)) -> str:
    """The text that is kept and, behind it, what the seam lets pass of the reply."""
    seam, at, text = Seam(kept), 0, kept
    for step in range(len(reply) + 1):
        size = sizes[step % len(sizes)]
        text += seam.feed(reply[at : at + size]) if at < len(reply) else ""
        at += size
    return text + seam.finish()


def words_before(kept: str, least: int) -> str:
    """The end of the text, at least so long and from the beginning of a word on."""
    start = max(0, len(kept) - least)
    while start and not (kept[start - 1].isspace() and not kept[start].isspace()):
        start -= 1
    return kept[start:]


def block_from_its_line(kept: str, rest: str) -> str:
    """The rest, with the open code block opened again and the line begun anew."""
    fence, line = open_fence(kept), kept.rpartition("\n")[2]
    return f"{fence}\n{line}{rest}" if fence and line != fence else rest


STYLES: Final[dict[str, Callable[[str, str], str]]] = {
    "as it is asked": lambda kept, rest: f"{GO_ON}\n{tail_of(kept)}{rest}",
    "with another line": lambda kept, rest: f"\n{GO_ON}\n\n{tail_of(kept)}{rest}",
    "without a line": lambda kept, rest: f"{GO_ON}{tail_of(kept)}{rest}",
    "the rest alone": lambda kept, rest: rest,
    "in an opened block": block_from_its_line,
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", TEXTS)
def test_every_cut_is_joined_exactly(name: str, style: str) -> None:
    text = TEXTS[name]
    for at in range(1, len(text) + 1):
        kept, rest = text[:at], text[at:]
        assert joined(kept, STYLES[style](kept, rest)) == text, (kept[-60:], rest[:60])


@pytest.mark.parametrize("least", [30, 60, 200, 10_000])
@pytest.mark.parametrize("name", ["prose", "code"])
def test_words_that_are_repeated_without_being_asked_for_are_left_out(
    name: str, least: int
) -> None:
    text = TEXTS[name]
    for at in range(60, len(text) + 1):
        again = words_before(text[:at], least)
        assert joined(text[:at], again + text[at:]) == text, (text[at - 60 : at], again)


@pytest.mark.parametrize(
    ("kept", "reply", "text"),
    [
        ("It is the univ", "universe that expands.", "It is the universe that expands."),
        ("It is the universe", "universe that expands.", "It is the universe that expands."),
        ("the whole universe", " universe expands", "the whole universe expands"),
        ("the universe ", "the universe expands", "the universe expands"),
        ("Code:\n```pyth", "```python\nx = 1\n```", "Code:\n```python\nx = 1\n```"),
        ("Code:\n```", "```python\nx = 1\n```", "Code:\n```python\nx = 1\n```"),
        ("```python\nx = ", "```python\nx = 1\n```", "```python\nx = 1\n```"),
        ("```python\nx = 1\n", "```python\ny = 2\n```", "```python\nx = 1\ny = 2\n```"),
        ("```python\nx = 1\n", "```\n\nDone.", "```python\nx = 1\n```\n\nDone."),
        ("**42**", "**42** is the answer.", "**42** is the answer."),
        ("ha", "ha ha", "haha ha"),
        ("a----", "----b", "a--------b"),
        ("Done.", "", "Done."),
        ("Done.", GO_ON, "Done."),
        ("All is done.", f"{GO_ON}\nAll is", "All is done."),
        ("All is done.", f"{GO_ON}\nAll is done.", "All is done."),
        ("All is", f"{GO_ON}\n done.", "All is done."),
        ("end ", f"{GO_ON}\nend\nof it", "end \nof it"),
    ],
)
def test_models_that_do_something_else(kept: str, reply: str, text: str) -> None:
    for size in (1, 2, 5, 1000):
        assert joined(kept, reply, [size]) == text


WORDS: Final = st.text("abc \n`|-.é中🌌", max_size=60)


@given(kept=WORDS.filter(str.strip), rest=WORDS, sizes=st.lists(st.integers(1, 9), min_size=1))
def test_what_is_repeated_as_asked_is_left_out_of_any_text(
    kept: str, rest: str, sizes: list[int]
) -> None:
    """White space at the end of the kept text is the one thing that may be told apart wrongly."""
    kept = kept.rstrip()
    assert joined(kept, f"{GO_ON}\n{tail_of(kept)}{rest}", sizes) == kept + rest


@given(kept=st.text(min_size=1), reply=st.text(), sizes=st.lists(st.integers(1, 9), min_size=1))
def test_what_is_kept_stays_and_pieces_make_no_difference(
    kept: str, reply: str, sizes: list[int]
) -> None:
    text = joined(kept, reply, sizes)
    assert text.startswith(kept)
    assert reply.endswith(text[len(kept) :])
    assert text == joined(kept, reply, [len(reply) + 1])


def test_new_text_is_not_held_back() -> None:
    seam = Seam("It is the universe")
    assert [seam.feed(piece) for piece in (" that", " ex", "pands")] == [" that", " ex", "pands"]
    seam = Seam("It is the universe that is dark")
    pieces = [GO_ON, "\nIt is the universe that is", " dark", ", and", " so on"]
    assert [seam.feed(piece) for piece in pieces] == ["", "", "", ", and", " so on"]


def test_a_tail_is_long_enough_to_be_found_again_and_begins_with_a_word() -> None:
    assert tail_of("**4") == "**4"
    assert tail_of(PROSE[:100]) == "age**: light from beyond about 13.8 billio"
    assert tail_of(f"It is made of words.\n{'-' * 60}") == f"made of words.\n{'-' * 60}"
    assert len(tail_of("-" * 1000)) == 400


def test_the_request_holds_the_text_the_mark_and_how_it_ends() -> None:
    kept = 'He said: "yes"\n'
    prompt = with_cut_answer(Prompt((Message("user", "Why?"),)), kept)
    (message,) = prompt.messages
    assert message.role == "user"
    assert message.text.startswith("Why?\n\nYou began to answer the question above")
    assert f"Begin your reply with the line {GO_ON}, " in message.text
    assert json.dumps(tail_of(kept)) in message.text
    lines = message.text.splitlines()
    assert lines[-4].removesuffix(" beginning begins]") == lines[-1].removesuffix(
        " beginning ends]"
    )
