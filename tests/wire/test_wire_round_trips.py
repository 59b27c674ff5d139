"""What a server writes, a client reads: every format, streamed and whole."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    ModelReported,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCall,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import ToolCalls
from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of
from deepreasoning_cli.transport import Timeouts
from deepreasoning_cli.transport.sse import payloads
from deepreasoning_cli.wire.client import chat_completions, messages, responses
from deepreasoning_cli.wire.server import writer
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.writer import Head, ReplyWriter, encode_event
from support.written import completion_object, message_object, response_object, written

HEAD = Head("abc", "deepreasoning", 1795392000)


@dataclass(frozen=True)
class Format:
    """One format's writer, functions, word for a stop reason, and an event it does not know."""

    writer: Callable[[Head], ReplyWriter]
    whole: Callable[[Iterable[Chunk], Head], Payload]
    read: Callable[[Iterable[Payload]], Iterator[Chunk]]
    reason: Callable[[str | None, bool], str]
    unknown: Payload


FORMATS = {
    "chat_completions": Format(
        ChatCompletionsWriter,
        completion_object,
        chat_completions.read_reply,
        writer.to_finish_reason,
        {"object": "chat.completion.news", "choices": [{"index": 0, "delta": {"mood": "calm"}}]},
    ),
    "messages": Format(
        MessagesWriter,
        message_object,
        messages.read_reply,
        writer.to_stop_reason,
        {"type": "content_block_news", "index": 7, "delta": {"type": "mood_delta", "text": "calm"}},
    ),
    "responses": Format(
        ResponsesWriter,
        response_object,
        responses.read_reply,
        writer.to_incomplete_reason,
        {"type": "response.mood.delta", "output_index": 7, "delta": "calm"},
    ),
}
every_format = pytest.mark.parametrize("name", FORMATS)
REASONS = [
    *(None, "", "stop_sequence", "tool_use", "stop", "end_turn", "refusal", "content_filter"),
    *("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"),
]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
pieces = st.builds(Thought, texts) | st.builds(Text, texts)
names = st.text("abc_-XYZ019", min_size=1, max_size=9)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    cached, written, fresh = (draw(st.integers(0, 50)) for _ in range(3))
    output = draw(st.integers(1, 50))
    thought = draw(st.none() | st.integers(0, output))
    return Usage(cached + written + fresh, output, thought, cached, written)


@st.composite
def calls(draw: st.DrawFn, number: int) -> list[Chunk]:
    """A call whose arguments are cut anywhere."""
    values = draw(st.dictionaries(texts, texts | st.integers() | st.lists(texts), max_size=3))
    written_out = json.dumps(values, ensure_ascii=draw(st.booleans()))
    cuts = sorted(draw(st.sets(st.integers(1, len(written_out) - 1), max_size=6)))
    parts = [written_out[a:b] for a, b in itertools.pairwise([0, *cuts, len(written_out)])]
    return [ToolCallStarted(f"call_{number}", draw(names)), *map(ToolArguments, parts)]


@st.composite
def replies(draw: st.DrawFn) -> list[Chunk]:
    """A reply that begins with a thought: before one, `<think>` and white space mean something."""
    served = draw(st.none() | st.builds(ModelReported, texts))
    usage = draw(st.none() | usages())
    called = [draw(calls(number)) for number in range(draw(st.integers(0, 3)))]
    return [
        *([served] if served else []),
        Thought(draw(texts)),
        *draw(st.lists(pieces, max_size=8)),
        *itertools.chain.from_iterable(called),
        *([usage] if usage else []),
        End(draw(st.sampled_from(REASONS))),
    ]


@dataclass(frozen=True)
class Said:
    """What a reply comes to, however it was cut into pieces."""

    model: str | None
    reasoning: str
    answer: str
    calls: tuple[ToolCall, ...]
    usage: Usage | None
    end: End | None


def summary(chunks: Iterable[Chunk]) -> Said:
    chunk_list = list(chunks)

    def last(kind: type[Chunk]) -> Chunk | None:
        return next((chunk for chunk in reversed(chunk_list) if isinstance(chunk, kind)), None)

    served, usage, end = last(ModelReported), last(Usage), last(End)
    called = ToolCalls()
    for chunk in chunk_list:
        if isinstance(chunk, ToolCallStarted | ToolArguments):
            called.add(chunk)
    return Said(
        served.model if isinstance(served, ModelReported) else None,
        "".join(chunk.text for chunk in chunk_list if isinstance(chunk, Thought)),
        "".join(chunk.text for chunk in chunk_list if isinstance(chunk, Text)),
        tuple(called),
        usage if isinstance(usage, Usage) else None,
        end if isinstance(end, End) else None,
    )


def expected(name: str, chunks: list[Chunk]) -> Said:
    """`chunks` in the words of the format; Responses has no word for an unknown count."""
    whole = summary(chunks)
    usage = whole.usage
    if usage and usage.reasoning_tokens is None and name == "responses":
        usage = replace(usage, reasoning_tokens=0)
    said = whole.end.reason if whole.end else None
    cut = ending_of(said) in (Ending.TRUNCATED, Ending.REFUSED)
    reason = FORMATS[name].reason(said, bool(whole.calls) and not cut)
    return replace(whole, model=whole.model or HEAD.model, usage=usage, end=End(reason))


@every_format
@given(chunks=replies())
def test_a_streamed_reply_reads_as_it_was_written(name: str, chunks: list[Chunk]) -> None:
    wire_format = FORMATS[name]
    assert summary(wire_format.read(written(wire_format.writer(HEAD), chunks))) == expected(
        name, chunks
    )


@every_format
@given(chunks=replies())
def test_a_whole_reply_reads_as_it_was_written(name: str, chunks: list[Chunk]) -> None:
    wire_format = FORMATS[name]
    read = summary(wire_format.read([wire_format.whole(chunks, HEAD)]))
    assert parsed(read) == parsed(expected(name, chunks))


def parsed(said: Said) -> tuple[Said, list[Payload]]:
    """What was said, and the arguments of its calls by their values: an object has no spelling."""
    arguments = [json.loads(call.arguments) for call in said.calls]
    return replace(said, calls=tuple(replace(each, arguments="") for each in said.calls)), arguments


@every_format
@given(chunks=replies(), seed=st.randoms(use_true_random=False))
def test_fields_and_events_that_nobody_knows_change_nothing(
    name: str, chunks: list[Chunk], seed: random.Random
) -> None:
    wire_format = FORMATS[name]

    def disturbed() -> Iterator[Payload]:
        for payload in written(wire_format.writer(HEAD), chunks):
            if seed.random() < 0.5:
                yield dict(wire_format.unknown)
            yield payload if payload == DONE else {**payload, "obfuscation": "x9"}

    assert summary(wire_format.read(disturbed())) == expected(name, chunks)


@every_format
@given(chunks=replies(), cuts=st.lists(st.integers(0, 4000), max_size=30), crlf=st.booleans())
def test_a_reply_survives_the_wire_cut_anywhere_with_comments_and_any_line_end(
    name: str, chunks: list[Chunk], cuts: list[int], crlf: bool
) -> None:
    wire_format = FORMATS[name]
    data = b": hello\n\n".join([b"", *map(encode_event, written(wire_format.writer(HEAD), chunks))])
    data = data.replace(b"\n", b"\r\n") if crlf else data
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [data[start:end] for start, end in itertools.pairwise(places)]
    response = httpx.Response(
        200, headers={"content-type": "text/event-stream"}, content=iter(parts)
    )
    assert summary(wire_format.read(payloads(response, Timeouts()))) == expected(name, chunks)


TOOL_REPLY: list[Chunk] = [
    Thought("é\u2028"),
    Text("So: "),
    *(ToolCallStarted("c1", "read"), ToolArguments('{"path":'), ToolArguments(' "a\\u00e9"}')),
    *(ToolCallStarted("c2", "now"), ToolArguments("{}")),
    *(Usage(3, 4, 2, 0, 0), End("tool_use")),
]


def received(name: str, parts: Iterable[bytes]) -> Said:
    """What a client reads that gets the bytes in these parts."""
    headers = {"content-type": "text/event-stream"}
    response = httpx.Response(200, headers=headers, content=iter(parts))
    return summary(FORMATS[name].read(payloads(response, Timeouts())))


@every_format
def test_calls_survive_the_wire_cut_at_every_byte(name: str) -> None:
    writer = FORMATS[name].writer(HEAD)
    data = b"".join(writer.frames(chunk) for chunk in TOOL_REPLY)
    whole = expected(name, TOOL_REPLY)
    assert len(whole.calls) == 2
    for place in range(len(data) + 1):
        assert received(name, (data[:place], data[place:])) == whole
    assert received(name, (data[place : place + 1] for place in range(len(data)))) == whole


@every_format
def test_no_end_is_read_before_the_last_bytes(name: str) -> None:
    writer = FORMATS[name].writer(HEAD)
    frames = [writer.frames(chunk) for chunk in TOOL_REPLY]
    before = b"".join(frames[:-1])
    for place in range(0, len(before), 7):
        read = received(name, [before[:place]])
        assert read.end is None
        assert len(read.calls) <= 2


@every_format
@given(chunks=replies())
def test_a_reply_that_was_cut_is_written_without_its_end(name: str, chunks: list[Chunk]) -> None:
    wire_format = FORMATS[name]
    chunk_list = summary(wire_format.read(written(wire_format.writer(HEAD), chunks[:-1])))
    whole = summary(chunks)
    assert (chunk_list.reasoning, chunk_list.answer, chunk_list.calls, chunk_list.end) == (
        whole.reasoning,
        whole.answer,
        whole.calls,
        None,
    )


@pytest.mark.parametrize("name", ["messages", "responses"])
def test_an_answer_without_reasoning_has_one_block(name: str) -> None:
    wire_format = FORMATS[name]
    chunks: list[Chunk] = [Text("4"), Text("2"), End("end_turn")]
    assert summary(wire_format.read(written(wire_format.writer(HEAD), chunks))) == expected(
        name, chunks
    )


@every_format
def test_an_empty_reply_has_a_beginning_and_an_end(name: str) -> None:
    wire_format = FORMATS[name]
    chunks: list[Chunk] = [ModelReported("m"), End("end_turn")]
    assert summary(wire_format.read(written(wire_format.writer(HEAD), chunks))) == expected(
        name, chunks
    )
    assert summary(wire_format.read([wire_format.whole(chunks, HEAD)])) == expected(name, chunks)


def test_usage_is_left_out_where_the_client_did_not_ask_for_it() -> None:
    chunks: list[Chunk] = [Text("42"), Usage(1, 2), End("stop")]
    sent = list(written(ChatCompletionsWriter(HEAD, include_usage=False), chunks))
    assert [payload.get("usage") for payload in sent] == [None] * len(sent)


def test_a_chat_reply_is_written_word_for_word() -> None:
    head = {"id": "chatcmpl-abc", "object": "chat.completion.chunk", "created": 1795392000}

    def chunk(delta: Payload, finish_reason: str | None = None) -> Payload:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return head | {"model": "deepreasoning", "choices": [choice], "usage": None}

    counts = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    chunks: list[Chunk] = [Thought("six"), Text("42"), Usage(3, 4, 2, 1), End("max_tokens")]
    assert list(written(ChatCompletionsWriter(HEAD), chunks)) == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "six"}),
        chunk({"content": "42"}),
        chunk({}, "length"),
        head | {"model": "deepreasoning", "choices": [], "usage": counts},
        DONE,
    ]


def test_frames_name_the_event_where_the_format_has_names() -> None:
    assert encode_event({"type": "message_stop"}) == (
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert encode_event({"object": "x", "text": "\u2028"}) == (
        b'data: {"object":"x","text":"\\u2028"}\n\n'
    )
    assert encode_event(DONE) == b"data: [DONE]\n\n"


@every_format
def test_everything_written_is_json(name: str) -> None:
    chunks: list[Chunk] = [Thought("six"), Text("42"), Usage(3, 4, 2, 1), End("end_turn")]
    assert json.loads(json.dumps(FORMATS[name].whole(chunks, HEAD)))["id"].endswith("abc")
