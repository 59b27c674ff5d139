"""Ollama's chat: requests are read as those of Chat Completions, replies are lines of JSON."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Message,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCall,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.tools import (
    AnswerOptions,
    Image,
    OutputFormat,
    Tool,
    ToolChoice,
    ToolResult,
)
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.ollama import SILENT_LINE, OllamaWriter, read_request
from deepreasoning_cli.wire.server.request import BadRequest, RequestParameters
from deepreasoning_cli.wire.server.writer import Head, Part

HEAD = Head("abc", "deepreasoning", 1795392000)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n123").decode()
SCHEMA: Payload = {"type": "object", "properties": {"path": {"type": "string"}}}
TOOL: Payload = {"type": "function", "function": {"name": "read", "parameters": SCHEMA}}
QUESTION: Payload = {"role": "user", "content": "What is in a?"}


def ask(*messages: Payload, **fields: object) -> Any:
    return read_request({"model": "deepreasoning", "messages": list(messages), **fields})


def refused(*messages: Payload, **fields: object) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        ask(*messages, **fields)
    return caught.value


def lines(parts: Iterable[Part]) -> list[Payload]:
    """The lines of a stream."""
    writer = OllamaWriter(HEAD)
    data = b"".join(map(writer.frames, parts))
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_a_question_is_streamed_unless_it_says_otherwise() -> None:
    asked = ask(QUESTION)
    assert (asked.model, asked.stream) == ("deepreasoning", True)
    assert asked.prompt.messages == (Message("user", "What is in a?"),)
    assert not ask(QUESTION, stream=False).stream
    assert ask(QUESTION, model="deepreasoning/opus:latest").model == "deepreasoning/opus"


def test_options_are_those_of_the_other_formats() -> None:
    options = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "num_predict": 20, "stop": ["END"]}
    asked = ask(QUESTION, options=options | {"num_ctx": 4096, "seed": 1, "repeat_penalty": 1})
    assert asked.parameters == RequestParameters(temperature=0.5, top_p=0.9, max_tokens=20)
    assert asked.prompt.options == AnswerOptions(stop_sequences=("END",), top_k=5)
    assert ask(QUESTION, options={"num_predict": -1}).parameters.max_tokens is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"options": {"repeat_penalty": 1.1}}, "repetition_penalty"),
        ({"options": {"frequency_penalty": 1}}, "frequency_penalty"),
        ({"options": {"num_predict": "many"}}, "options.num_predict"),
        ({"options": 7}, "options"),
        ({"format": 7}, "format"),
        ({"format": "xml"}, "format"),
        ({"think": "wild"}, "think"),
        ({"think": 7}, "think"),
        ({"stream": "yes"}, "stream"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": 7}, "messages"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(fields: Payload, field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_request({"model": "deepreasoning", "messages": [QUESTION], **fields})
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("think", "effort"),
    [(None, None), (True, None), (False, "none"), ("high", "high"), ("low", "low")],
)
def test_thinking_may_be_left_out(think: object, effort: str | None) -> None:
    assert ask(QUESTION, think=think).parameters.effort == effort


@pytest.mark.parametrize(
    ("wanted", "read"),
    [(None, None), ("", None), ("json", OutputFormat()), (SCHEMA, OutputFormat(SCHEMA))],
)
def test_the_answer_may_be_json(wanted: object, read: OutputFormat | None) -> None:
    options = ask(QUESTION, format=wanted).prompt.options
    assert (options.output_format if options else None) == read


def test_images_have_the_type_that_they_begin_with() -> None:
    (message,) = ask(QUESTION | {"images": [PNG]}).prompt.messages
    assert message.parts == ("What is in a?", Image("image/png", PNG))
    (message,) = ask({"role": "user", "content": "", "images": [PNG]}).prompt.messages
    assert message.parts == (Image("image/png", PNG),)
    for wrong in (["AAAA"], [7], ["https://a.b/c.png"]):
        error = refused(QUESTION, QUESTION | {"images": wrong})
        assert (error.field, error.kind) == ("messages[1].images[0]", "unsupported_value")
    assert refused(QUESTION | {"images": "AAAA"}).field == "messages[0].images"


def call(name: str, **arguments: object) -> Payload:
    return {"function": {"name": name, "arguments": arguments}}


def test_results_follow_the_calls_in_their_order() -> None:
    calls = [call("read", path="a"), call("read", path="b")]
    asked = ask(
        QUESTION,
        {"role": "assistant", "content": "So.", "tool_calls": calls},
        {"role": "tool", "tool_name": "read", "content": "1"},
        {"role": "tool", "content": "2"},
        tools=[TOOL],
    )
    assert asked.prompt.messages[1].parts == (
        "So.",
        ToolCall("call_1", "read", '{"path": "a"}'),
        ToolCall("call_2", "read", '{"path": "b"}'),
    )
    assert asked.prompt.messages[2].parts == (
        ToolResult("call_1", ("1",)),
        ToolResult("call_2", ("2",)),
    )
    assert asked.prompt.options == AnswerOptions(tools=(Tool("read", "", SCHEMA),))
    assert asked.prompt.question_at == 0


def test_calls_may_have_ids_and_arguments_as_text() -> None:
    given = {"id": "c9", "function": {"name": "read", "arguments": '{"path": "a"}'}}
    asked = ask(
        QUESTION,
        {"role": "assistant", "content": "", "tool_calls": [given]},
        {"role": "tool", "tool_call_id": "c9", "content": "1"},
    )
    assert asked.prompt.messages[1].parts == (ToolCall("c9", "read", '{"path": "a"}'),)
    assert asked.prompt.options.tool_choice == ToolChoice("none")


def test_a_result_without_a_call_and_a_call_without_a_result_are_refused() -> None:
    lost = refused(QUESTION, {"role": "tool", "content": "1"})
    assert lost.field == "messages[1].role"
    called = {"role": "assistant", "content": "", "tool_calls": [call("read")]}
    assert refused(QUESTION, called, QUESTION).message.endswith("must have one for each call")
    wrong = {"role": "assistant", "tool_calls": [{"function": {"name": "read", "arguments": 7}}]}
    assert refused(QUESTION, wrong).field == "messages[1].tool_calls[0].function.arguments"


REPLY: list[Part] = [
    *(Thought("six "), Thought("sevens"), Text("It "), Text("is")),
    *(ToolCallStarted("c1", "read"), ToolArguments('{"path"'), ToolArguments(': "a"}')),
    *(ToolCallStarted("c2", "now"), Usage(3, 4), End("tool_use")),
]


def test_a_stream_has_a_line_for_each_piece_and_one_for_each_call() -> None:
    *said, last = lines(REPLY)
    assert [each["message"] for each in said] == [
        {"role": "assistant", "content": "", "thinking": "six "},
        {"role": "assistant", "content": "", "thinking": "sevens"},
        {"role": "assistant", "content": "It "},
        {"role": "assistant", "content": "is"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "function": {"name": "read", "arguments": {"path": "a"}}}],
        },
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c2", "function": {"name": "now", "arguments": {}}}],
        },
    ]
    assert {each["done"] for each in said} == {False}
    counts = (last["prompt_eval_count"], last["eval_count"])
    assert (last["done"], last["done_reason"], counts) == (True, "stop", (3, 4))


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("end_turn", "stop"),
        ("tool_use", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        (None, "stop"),
    ],
)
def test_why_it_ended_is_said_in_ollamas_words(reason: str | None, word: str) -> None:
    assert lines([Text("4"), End(reason)])[-1]["done_reason"] == word


def test_a_call_that_was_cut_is_none() -> None:
    said = lines([ToolCallStarted("c1", "read"), ToolArguments('{"pa'), End("max_tokens")])
    assert [(each["message"], each["done"]) for each in said] == [
        ({"role": "assistant", "content": ""}, True)
    ]


def test_a_failure_is_the_last_line() -> None:
    said = lines([*REPLY[:6], ApiError(529, "overloaded", "Claude is overloaded")])
    assert said[-1] == {"error": "Claude is overloaded"}
    assert "tool_calls" not in json.dumps(said)


def test_what_keeps_a_connection_open_is_an_empty_message() -> None:
    line = json.loads(SILENT_LINE)
    assert (line["message"], line["done"]) == ({"role": "assistant", "content": ""}, False)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
values = st.dictionaries(texts, texts | st.integers() | st.none(), max_size=3)


@given(
    thoughts=st.lists(texts, max_size=3),
    answer=st.lists(texts, max_size=3),
    calls=st.lists(values, max_size=3),
)
def test_a_reply_may_be_sent_back_streamed_and_whole(
    thoughts: list[str], answer: list[str], calls: list[Payload]
) -> None:
    chunks: list[Chunk] = [*map(Thought, thoughts), *map(Text, answer)]
    for number, arguments in enumerate(calls):
        written_out = json.dumps(arguments)
        pieces = [ToolArguments(written_out[:1]), ToolArguments(written_out[1:])]
        chunks += [ToolCallStarted(f"c{number}", "read"), *pieces]
    chunks.append(End("tool_use" if calls else "end_turn"))
    writer = OllamaWriter(HEAD)
    for chunk in chunks:
        writer.reply.add(chunk)
    whole = writer.whole()["message"]
    assert whole.get("thinking", "") == "".join(thoughts)
    streamed: Payload = {"role": "assistant", "content": "", "thinking": "", "tool_calls": []}
    for line in lines(chunks):
        for name in ("content", "thinking", "tool_calls"):
            streamed[name] += line["message"].get(name, type(streamed[name])())
    expected = [ToolCall(f"c{n}", "read", json.dumps(each)) for n, each in enumerate(calls)]
    results = [{"role": "tool", "content": each.id} for each in expected]
    for message in (whole, streamed):
        assert message["content"] == "".join(answer)
        turns = [QUESTION, message, *(results or [QUESTION])]
        parts = [part for each in ask(*turns).prompt.messages for part in each.parts]
        found = [part for part in parts if isinstance(part, ToolCall)]
        assert [(each.id, json.loads(each.arguments)) for each in found] == [
            (each.id, json.loads(each.arguments)) for each in expected
        ]
        kept = [part for part in parts if isinstance(part, ToolResult)]
        assert kept == [ToolResult(each.id, (each.id,)) for each in expected]
