"""Where a request is marked for the cache, and that a mark changes nothing of what is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import Handoff, Message, Payload, Prompt, ToolCall
from deepreasoning_cli.pipeline.handoff import with_notes
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.tools import AnswerOptions, Image, Tool, ToolResult
from deepreasoning_cli.wire.client import messages

SYSTEM = "s" * 40  # ten tokens by the estimate, as is each message
EARLIER = (Message("user", "q" * 40), Message("assistant", "a" * 40))
QUESTION = Message("user", "Sure?")
PROMPT = Prompt((*EARLIER, QUESTION), SYSTEM, stable=2)


def body(prompt: Prompt, *breakpoints: int) -> Payload:
    return messages.request_body(
        prompt, model="m", max_tokens=9, samplers={"top_p": 0.5}, breakpoints=breakpoints
    )


def marked(text: str) -> list[Payload]:
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]


def test_a_marked_request_has_a_block_where_a_plain_one_has_a_text() -> None:
    assert body(PROMPT, 0, 2) == {
        "model": "m",
        "max_tokens": 9,
        "system": marked(SYSTEM),
        "messages": [
            {"role": "user", "content": "q" * 40},
            {"role": "assistant", "content": marked("a" * 40)},
            {"role": "user", "content": "Sure?"},
        ],
        "top_p": 0.5,
        "stream": True,
    }


def test_a_message_of_parts_is_marked_at_its_last_block() -> None:
    result = ToolResult("c1", ("six",))
    call = ToolCall("c1", "read", "{}")
    turns = (
        *EARLIER,
        Message("user", "", ("Read", Image("image/png", "aQ=="))),
        Message("assistant", "", (call,)),
        Message("user", "", (result,)),
    )
    sent = body(Prompt(turns, SYSTEM), 0, 5)
    assert sent["messages"][-1]["content"][-1]["cache_control"] == {"type": "ephemeral"}
    assert messages.is_marked(sent)
    assert messages.unmarked(sent) == body(Prompt(turns, SYSTEM))


def test_tools_count_as_what_stands_in_front() -> None:
    tools = AnswerOptions(tools=(Tool("read", "x" * 400, {}),))
    prompt = replace(PROMPT, options=tools)
    assert messages.tokens_before(prompt, 0) > 100
    assert messages.cache_breakpoints(prompt, 100) == (0, 2)


def test_without_breakpoints_every_text_is_plain() -> None:
    plain = body(PROMPT)
    assert (plain["system"], [turn["content"] for turn in plain["messages"]]) == (
        SYSTEM,
        ["q" * 40, "a" * 40, "Sure?"],
    )


@pytest.mark.parametrize(
    ("prompt", "minimum", "places"),
    [
        (PROMPT, 10, (0, 2)),
        (PROMPT, 11, (2,)),  # the system prompt alone is too short, all before the question is not
        (PROMPT, 31, (2,)),
        (PROMPT, 32, ()),  # 122 bytes with the ends of lines: 31 tokens
        (PROMPT, None, ()),  # nobody knows what this model's cache keeps
        (replace(PROMPT, stable=None), 1, ()),  # sent once
        (replace(PROMPT, stable=0), 10, (0,)),  # the messages are cut at another place each time
        (replace(PROMPT, system=None), 20, (2,)),
        (replace(PROMPT, system=""), 1, (2,)),
        (Prompt((QUESTION,), SYSTEM, stable=0), 10, (0,)),  # the first turn of a conversation
        (Prompt((QUESTION,), None, stable=0), 1, ()),
    ],
)
def test_marks_stand_behind_what_is_sent_again_and_is_long_enough(
    prompt: Prompt, minimum: int | None, places: tuple[int, ...]
) -> None:
    assert messages.cache_breakpoints(prompt, minimum) == places


TEXTS = st.text(max_size=60)
MINIMA = st.integers(1, 30)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """A conversation of any length with a new question."""
    said = draw(st.lists(st.tuples(TEXTS, TEXTS), max_size=4))
    earlier = [
        message
        for asked, answered in said
        for message in (Message("user", asked), Message("assistant", answered))
    ]
    stable = draw(st.none() | st.just(0) | st.just(len(earlier)))
    return Prompt((*earlier, Message("user", draw(TEXTS))), draw(st.none() | TEXTS), stable)


def as_read(request: Payload) -> dict[str, Any]:
    """The request as the model reads it: a text is short for one block, marks are not text."""

    def blocks(content: str | list[Payload]) -> list[Payload]:
        whole = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return [{k: v for k, v in block.items() if k != "cache_control"} for block in whole]

    turns = [turn | {"content": blocks(turn["content"])} for turn in request["messages"]]
    system = {"system": blocks(request["system"])} if "system" in request else {}
    return request | {"messages": turns} | system


@given(prompts(), MINIMA)
def test_marking_changes_nothing_of_what_the_model_reads(prompt: Prompt, minimum: int) -> None:
    places = messages.cache_breakpoints(prompt, minimum)
    assert as_read(body(prompt, *places)) == as_read(body(prompt))
    assert json.dumps(body(prompt, *places)).count("cache_control") == len(places)


@given(prompts(), MINIMA)
def test_the_new_question_is_never_marked_and_no_empty_text_is(
    prompt: Prompt, minimum: int
) -> None:
    places = messages.cache_breakpoints(prompt, minimum)
    request = body(prompt, *places)
    assert request["messages"][-1]["content"] == prompt.messages[-1].text
    assert set(places) <= {0, prompt.stable}
    assert all(messages.tokens_before(prompt, place) >= minimum for place in places)
    assert all(
        messages.tokens_before(prompt, place) <= estimate_tokens(prompt.text) for place in places
    )


@given(prompts(), TEXTS, TEXTS, st.sampled_from(Handoff))
def test_what_a_turn_has_kept_begins_the_next_one_whatever_was_handed_over(
    prompt: Prompt, answer: str, question: str, handoff: Handoff
) -> None:
    kept = len(prompt.messages) - 1
    first = replace(prompt, stable=kept)
    told = with_notes(first, handoff, model="r1", reasoning="hm", answer="42")
    asked = prompt.messages[-1].text
    earlier = (*prompt.messages[:-1], Message("user", asked), Message("assistant", answer))
    then = Prompt((*earlier, Message("user", question)), prompt.system, len(earlier))
    before, after = (
        as_read(body(each, *messages.cache_breakpoints(each, 1))) for each in (told, then)
    )
    assert before.get("system") == after.get("system")
    assert before["messages"][:kept] == after["messages"][:kept]
