"""Turns whose answer is a call of a client's tool: what the reasoner reads, what is whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deepreasoning_cli.errors import IncompleteError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Event,
    Message,
    Prompt,
    Stage,
    StageStarted,
    Text,
    Thought,
    ToolArguments,
    ToolCall,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import estimate_tokens
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, ReasonerOutput, answer_prompt, run_turn
from deepreasoning_cli.pipeline.tools import AnswerOptions, Image, Tool, ToolResult, in_words
from support.scripted_models import ScriptedModel

READ = Tool("read", "Read\n a file.", {"properties": {"path": {}, "lines": {}}})
OPTIONS = AnswerOptions(tools=(READ,))
QUESTION = Message("user", "What is in a.txt?")
CALL = ToolCall("c1", "read", '{"path": "a.txt"}')
HERE = Image("image/png", "aQ==")
ASKED = Prompt((QUESTION,), "Be brief.", options=OPTIONS)
WITH_RESULT = replace(
    ASKED,
    messages=(
        QUESTION,
        Message("assistant", "[called read]", (CALL,)),
        Message("user", "[result]", (ToolResult("c1", ("six", Image("image/png", "aQ=="))),)),
    ),
    question_at=0,
)
CALLING: list[Chunk] = [
    ToolCallStarted("c1", "read"),
    ToolArguments('{"path": '),
    ToolArguments('"a.txt"}'),
]


def plan(*answer: Chunk | Exception, **fields: Any) -> Plan:
    thinker = ScriptedModel(said=[Thought("Read it."), End("stop")])
    asked: dict[str, Any] = {"prompt": ASKED, "reasoner": thinker} | fields
    return Plan(
        id="1", backend="direct", question="?", answerer=ScriptedModel(said=list(answer)), **asked
    )


def recorded(turn: Plan) -> tuple[TurnRecord, IncompleteError | None]:
    record, failure = TurnRecord(), None
    try:
        for event in run_turn(turn):
            record.apply(event)
    except IncompleteError as error:
        failure = error
    record.close(complete=failure is None)
    return record, failure


@pytest.mark.parametrize("reason", ["tool_use", "tool_calls", "completed", None])
@pytest.mark.parametrize("texts", [[], [Text("Let me see.")]])
def test_a_reply_that_calls_a_tool_is_whole(reason: str | None, texts: list[Chunk]) -> None:
    record, failure = recorded(plan(*texts, *CALLING, End(reason)))
    assert (failure, record.complete, list(record.calls)) == (None, True, [CALL])
    assert record.stages[Stage.ANSWER].complete
    assert record.answers
    usage = record.stages[Stage.ANSWER].usage
    assert usage is not None
    assert usage.output_tokens >= estimate_tokens(CALL.name + CALL.arguments)


def test_a_reply_that_only_says_it_calls_one_has_paused() -> None:
    _, failure = recorded(plan(Text("Let me see."), End("tool_use")))
    assert failure is not None
    assert failure.kind == "paused"


@pytest.mark.parametrize(
    ("ending", "kind"),
    [(End("max_tokens"), "max_tokens"), (UnavailableError("cut"), "unavailable")],
)
def test_a_call_that_was_cut_is_kept_and_not_whole(ending: Chunk | Exception, kind: str) -> None:
    record, failure = recorded(plan(*CALLING[:2], ending))
    assert failure is not None
    assert failure.kind == kind
    assert list(record.calls) == [ToolCall("c1", "read", '{"path": ')]
    assert not record.stages[Stage.ANSWER].complete
    assert record.stages[Stage.ANSWER].usage is not None


def test_calls_are_shown_as_they_come() -> None:
    seen: list[Event] = [
        event
        for event in run_turn(plan(*CALLING, End("tool_use")))
        if isinstance(event, ToolCallStarted | ToolArguments)
    ]
    assert seen == CALLING


def test_a_character_cut_in_two_in_the_arguments_is_put_together() -> None:
    cut: list[Chunk] = [
        ToolCallStarted("c1", "say"),
        ToolArguments('{"a":"\ud83d'),
        ToolArguments('\ude00"}'),
    ]
    record, _ = recorded(plan(*cut, End("tool_use")))
    assert [call.arguments for call in record.calls] == ['{"a":"\U0001f600"}']


def test_the_reasoner_reads_of_tools_in_words_and_claude_gets_them() -> None:
    turn = plan(*CALLING, End("tool_use"))
    recorded(turn)
    thinker, answerer = turn.reasoner, turn.answerer
    assert isinstance(thinker, ScriptedModel)
    assert isinstance(answerer, ScriptedModel)
    (read,), (sent,) = thinker.prompts, answerer.prompts
    assert read.is_plain
    assert (read.system or "").startswith("Be brief.\n\nThe answer will be written by another")
    assert (read.system or "").endswith("- read(path, lines): Read a file.")
    assert sent.options == OPTIONS
    assert sent.has_reasoning


def test_notes_stand_below_the_question_whatever_came_back_since() -> None:
    work = ReasonerOutput("Read it.", model="r1")
    turn = plan(reused=work)
    first = answer_prompt(turn, work)
    later = answer_prompt(replace(turn, prompt=WITH_RESULT), work)
    assert later.messages[0] == first.messages[0]
    assert later.messages[1:] == WITH_RESULT.messages[1:]
    assert "Read it." in first.messages[0].text


def test_notes_below_an_image_are_a_part_of_their_own() -> None:
    pictured = Message("user", "What?", ("What?", Image("image/png", "aQ==")))
    work = ReasonerOutput("Read it.", model="r1")
    (message,) = answer_prompt(plan(prompt=replace(ASKED, messages=(pictured,))), work).messages
    assert message.parts[:2] == pictured.parts
    assert message.text == f"What?\n\n{message.parts[2]}"


@pytest.mark.parametrize("sees", [[True, False], [False, True]])
def test_a_host_that_steps_in_reads_what_it_can(sees: list[bool]) -> None:
    pictured = Message("user", "What?", ("What?", HERE))
    down = UnavailableError("refused", kind="connect")
    thinkers = [ScriptedModel(said=[down]), ScriptedModel(said=[Thought("A cat."), End("stop")])]
    for thinker, each in zip(thinkers, sees, strict=True):
        thinker.sees_images = each
    turn = plan(
        Text("A cat."),
        End("end_turn"),
        prompt=Prompt((pictured,)),
        reasoner=thinkers[0],
        fallbacks={Stage.REASON: thinkers[1:]},
    )
    record, _ = recorded(turn)
    assert record.complete
    for thinker, each in zip(thinkers, sees, strict=True):
        (prompt,) = thinker.prompts
        (message,) = prompt.messages
        assert message.parts == (pictured.parts if each else ())
        assert message.text == "What?\n\n[an image, image/png]"
        assert prompt.tokens - estimate_tokens(prompt.text) == (1_600 if each else 0)


def test_an_image_counts_in_what_a_reasoner_that_sees_is_estimated_to_read() -> None:
    pictured = Prompt((Message("user", "What?", ("What?", HERE)),))
    read = []
    for sees in (False, True):
        thinker = ScriptedModel(said=[Thought("A cat."), End("stop")], sees_images=sees)
        turn = plan(Text("A cat."), End("end_turn"), prompt=pictured, reasoner=thinker)
        (first, _) = [each for each in run_turn(turn) if isinstance(each, StageStarted)]
        read.append(first.input_tokens)
    assert read[1] - read[0] == 1_600


class TestInWords:
    def test_calls_and_results_are_told(self) -> None:
        assert [message.text for message in in_words(WITH_RESULT, None).messages] == [
            "What is in a.txt?",
            '[called read({"path": "a.txt"})]',
            "[result of read:\nsix\n[an image, image/png]\n]",
        ]

    def test_without_tools_nothing_is_said_of_them(self) -> None:
        assert in_words(replace(ASKED, options=AnswerOptions()), None) == Prompt(
            (QUESTION,), "Be brief."
        )

    def test_one_that_sees_gets_the_images_that_are_here(self) -> None:
        there = Image("", url="https://a.example/x.png")
        seen = ("What?", HERE, "And?", there)
        prompt = replace(
            WITH_RESULT,
            messages=(
                Message("user", "", seen),
                Message("assistant", "So."),
                *WITH_RESULT.messages,
            ),
            question_at=2,
        )
        first, *_, last = in_words(prompt, None, sees_images=True).messages
        assert first.parts == ("What?", HERE, "And?", "[an image]")
        assert last.parts == ("[result of read:\nsix\n[an image, image/png]\n]", HERE)
        blind = in_words(prompt, None)
        assert blind.is_plain
        assert [message.text for message in blind.messages] == [
            message.text for message in in_words(prompt, None, sees_images=True).messages
        ]

    def test_an_image_counts_in_what_fits(self) -> None:
        earlier = (Message("user", "Look.", ("Look.", HERE)), Message("assistant", "I did."))
        prompt = replace(ASKED, messages=(*earlier, *earlier, Message("user", "", ("So?", HERE))))
        around = 1_000 + 100  # what stands around the messages, and their words
        for images in (2, 3):
            *kept, last = in_words(prompt, around + 1_600 * images, sees_images=True).messages
            assert len(kept) == 2 * (images - 1)
            note = ("[2 earlier messages are left out here]",) if images == 2 else ()
            assert last.parts == (*note, "So?", HERE)

    def test_long_results_are_shortened_those_before_the_question_more(self) -> None:
        results = (
            Message("user", "", (ToolResult("c1", ("x" * 50_000,)),)),
            Message("assistant", "So."),
        )
        prompt = Prompt((*results, QUESTION, *results, QUESTION), question_at=2)
        lengths = [len(message.text) for message in in_words(prompt, None).messages]
        assert 1_000 < lengths[0] < 1_100
        assert 8_000 < lengths[3] < 8_100
        assert "[… 49,000 characters …]" in in_words(prompt, None).messages[0].text

    def test_many_tools_have_short_lines(self) -> None:
        tools = tuple(Tool(f"t{number}", "x" * 5_000, {}) for number in range(200))
        prompt = replace(ASKED, options=AnswerOptions(tools=tools))
        assert len(in_words(prompt, None).system or "") < 200 * 120 + 400

    def test_what_does_not_fit_is_left_out_from_the_start(self) -> None:
        long = (Message("user", "x" * 40_000), Message("assistant", "y"))
        prompt = replace(ASKED, messages=(*long, *long, QUESTION))
        *earlier, last = in_words(prompt, 13_000).messages
        assert [len(message.text) for message in earlier] == [40_000, 1]
        assert last.text == "[2 earlier messages are left out here]\n\nWhat is in a.txt?"
