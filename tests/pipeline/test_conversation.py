from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.conversation import (
    CUT_OFF,
    RESERVE,
    cacheable_prefix,
    fit_to_context,
    to_messages,
)
from deepreasoning_cli.pipeline.events import Handoff, Message, TurnStarted
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.record import GrowingText, TurnRecord
from deepreasoning_cli.pipeline.tools import Image


def turn(
    name: str,
    answer: str = "42.",
    *,
    prompt: str = "6 × 7?",
    complete: bool = True,
    source: str | None = None,
) -> TurnRecord:
    record = TurnRecord()
    record.start = TurnStarted(name, "direct", prompt, Handoff.REASONING, reasoning_from=source)
    record.thoughts = GrowingText(["a thought that is never sent again"])
    record.texts = GrowingText([answer])
    record.complete = complete
    return record


def exchange(prompt: str, answer: str) -> tuple[Message, Message]:
    return Message("user", prompt), Message("assistant", answer)


def test_questions_and_answers_are_sent_in_order_without_their_reasoning() -> None:
    turns = [turn("a", "42."), turn("b", "Yes.", prompt="Sure?")]
    assert to_messages(turns) == (*exchange("6 × 7?", "42."), *exchange("Sure?", "Yes."))


def test_without_turns_there_are_no_messages() -> None:
    assert to_messages([]) == ()


@pytest.mark.parametrize("answer", ["", " \n"])
def test_a_turn_without_an_answer_is_left_out(answer: str) -> None:
    turns = [turn("a", answer, complete=False), turn("b", "Yes.", prompt="Sure?")]
    assert to_messages(turns) == exchange("Sure?", "Yes.")


def test_an_answer_that_was_cut_says_so() -> None:
    assert to_messages([turn("a", "4", complete=False)]) == exchange("6 × 7?", f"4{CUT_OFF}")


def test_a_cut_turn_gives_way_to_the_one_that_finished_it() -> None:
    assert to_messages([turn("a", "4", complete=False), turn("b", source="a")]) == exchange(
        "6 × 7?", "42."
    )


def test_of_a_chain_of_resumed_turns_the_last_with_an_answer_is_sent() -> None:
    first = turn("a", "4", complete=False)
    second = turn("b", "", complete=False, source="a")
    third = turn("c", "42", complete=False, source="b")
    assert to_messages([first, second, third]) == exchange("6 × 7?", f"42{CUT_OFF}")
    assert to_messages([first, second, third, turn("d", source="c")]) == exchange("6 × 7?", "42.")


def test_a_resumed_turn_that_brought_nothing_takes_no_ones_place() -> None:
    turns = [turn("a", "4", complete=False), turn("b", "", complete=False, source="a")]
    assert to_messages(turns) == exchange("6 × 7?", f"4{CUT_OFF}")


def test_another_question_on_the_same_reasoning_takes_no_ones_place() -> None:
    cut, other = turn("a", "4", complete=False), turn("b", "Yes.", prompt="Even?", source="a")
    assert to_messages([cut, other]) == (
        *exchange("6 × 7?", f"4{CUT_OFF}"),
        *exchange("Even?", "Yes."),
    )


def test_two_whole_answers_to_one_question_are_both_sent() -> None:
    turns = [turn("a", "42."), turn("b", "Forty-two.", source="a")]
    assert to_messages(turns) == (*exchange("6 × 7?", "42."), *exchange("6 × 7?", "Forty-two."))


def test_turns_that_name_each_other_end_the_search() -> None:
    turns = [turn("a", complete=False, source="b"), turn("b", complete=False, source="a")]
    assert to_messages(turns) == ()


EARLIER = tuple(message for number in range(5) for message in exchange(f"q{number}" * 40, "a" * 90))
EACH = sum(estimate_tokens(message.text) for message in EARLIER[:2])
QUESTION = estimate_tokens("and?")


def test_where_the_context_is_unknown_all_is_sent() -> None:
    assert fit_to_context(EARLIER, "and?", None) == (EARLIER, 0)


@pytest.mark.parametrize("count", range(6))
def test_the_newest_exchanges_that_fit_are_sent(count: int) -> None:
    room = RESERVE + QUESTION + count * EACH
    assert fit_to_context(EARLIER, "and?", room) == (EARLIER[10 - 2 * count :], 5 - count)
    assert fit_to_context(EARLIER, "and?", room - 1)[1] == min(5, 6 - count)


def test_images_of_earlier_messages_count() -> None:
    image = Image("image/png", "aQ==")
    shown = (Message("user", "Look.", ("Look.", image)), Message("assistant", "I did."))
    words = sum(estimate_tokens(message.text) for message in shown)
    room = RESERVE + QUESTION + words + image.tokens
    assert fit_to_context(shown, "and?", room) == (shown, 0)
    assert fit_to_context(shown, "and?", room - 1) == ((), 1)


@given(st.lists(st.text(max_size=400), max_size=8), st.text(max_size=400), st.integers(-10, 3000))
def test_what_is_sent_is_the_end_of_what_was_said_and_never_more_than_fits(
    texts: list[str], question: str, room: int
) -> None:
    earlier = tuple(message for text in texts for message in exchange(text, text))
    sent, left_out = fit_to_context(earlier, question, room)
    assert (*earlier[: 2 * left_out], *sent) == earlier
    tokens = sum(estimate_tokens(message.text) for message in sent)
    assert not sent or tokens + estimate_tokens(question) + RESERVE <= room


def test_what_is_sent_whole_is_sent_again_and_what_is_cut_is_cut_elsewhere() -> None:
    assert (
        cacheable_prefix(EARLIER, 0),
        cacheable_prefix(EARLIER[2:], 1),
        cacheable_prefix((), 0),
    ) == (10, 0, 0)


@given(st.lists(st.text(max_size=40), max_size=6), st.integers(0, 2000))
def test_the_steady_part_begins_the_next_turn_while_it_still_fits(
    texts: list[str], room: int
) -> None:
    earlier = tuple(message for text in texts for message in exchange(text, text))
    sent, left_out = fit_to_context(earlier, "and?", room)
    then, left_out_then = fit_to_context((*earlier, *exchange("and?", "so.")), "more?", room)
    if not left_out_then:
        steadily = cacheable_prefix(sent, left_out)
        assert then[:steadily] == sent[:steadily] == earlier
