"""Writers take a reply part by part; a failure among the parts ends it as the format does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.errors import ConfigError, DeepReasoningError, RefusedError, UnavailableError
from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    ModelReported,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client import chat_completions, messages, responses
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.writer import Cost, Head, Part, ReplyWriter, encode_events
from support.written import completion_object, message_object, response_object, written

HEAD = Head("abc", "deepreasoning", 1795392000)
OVERLOADED = ApiError(529, "overloaded", "Claude is overloaded", request_id="req_1")


@dataclass(frozen=True)
class Format:
    """A format's writer, and what its client and its whole replies are."""

    writer: Callable[[Head], ReplyWriter]
    whole: Callable[[Iterable[Chunk | Cost], Head], Payload]
    read: Callable[[Iterable[Payload]], Iterator[Chunk]]


FORMATS = {
    "chat_completions": Format(
        ChatCompletionsWriter,
        completion_object,
        chat_completions.read_reply,
    ),
    "messages": Format(MessagesWriter, message_object, messages.read_reply),
    "responses": Format(ResponsesWriter, response_object, responses.read_reply),
}
every_format = pytest.mark.parametrize("name", FORMATS)

# quotes, NUL and what looks like the middle of a frame, in texts and in the model's name
texts = st.text(min_size=1, max_size=6) | st.sampled_from(['"\0"', "\0", '\\u0000"}', "\u2028"])
pieces = st.one_of(
    st.builds(Thought, texts),
    st.builds(Text, texts),
    st.builds(ToolArguments, texts),
    st.builds(ToolCallStarted, texts, texts),
)
failures = st.builds(
    ApiError, st.sampled_from([400, 401, 402, 403, 404, 429, 500, 503, 529]), texts, texts
)
parts = st.one_of(
    pieces,
    pieces,
    st.builds(ModelReported, texts),
    st.builds(Usage, st.integers(1, 9), st.integers(1, 9)),
    st.builds(Cost, st.none() | st.decimals(0, 9, places=6)),
    st.builds(End, st.sampled_from([None, "end_turn", "max_tokens", "refusal"])),
    failures,
)


@every_format
@given(said=st.lists(parts, max_size=12))
def test_the_fast_bytes_are_those_of_the_plain_path(name: str, said: list[Part]) -> None:
    fast, plain = FORMATS[name].writer(HEAD), FORMATS[name].writer(HEAD)
    for part in said:
        assert fast.frames(part) == encode_events(plain.feed(part))


@every_format
@given(said=st.lists(pieces, min_size=1, max_size=12), fast=st.lists(st.booleans(), min_size=12))
def test_both_paths_may_be_taken_in_turn(name: str, said: list[Part], fast: list[bool]) -> None:
    mixed, plain = FORMATS[name].writer(HEAD), FORMATS[name].writer(HEAD)
    for part, quickly in zip(said, fast, strict=False):
        events = mixed.frames(part) if quickly else encode_events(mixed.feed(part))
        assert events == encode_events(plain.feed(part))


@every_format
@pytest.mark.parametrize("model", ["late", "\0", '"\0"'])
def test_a_model_that_is_named_late_is_in_the_next_frame(name: str, model: str) -> None:
    said: list[Part] = [Text("4"), ModelReported(model), Text("2"), Text("!"), End("end_turn")]
    fast, plain = FORMATS[name].writer(HEAD), FORMATS[name].writer(HEAD)
    assert [fast.frames(part) for part in said] == [
        encode_events(plain.feed(part)) for part in said
    ]


@every_format
def test_text_that_goes_on_takes_the_short_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = FORMATS[name].writer(HEAD)
    writer.frames(Text("4"))
    monkeypatch.setattr(writer, "feed", None)
    data = writer.frames(Text("\u2028"))
    assert (data.count(b"data: "), data.count(rb'"\u2028"')) == (1, 1)


@every_format
@given(said=st.lists(parts, max_size=12))
def test_writing_is_feeding(name: str, said: list[Part]) -> None:
    wire_format = FORMATS[name]
    writer = wire_format.writer(HEAD)
    fed = [event for part in said for event in writer.feed(part)]
    assert list(written(wire_format.writer(HEAD), said)) == fed


@pytest.mark.parametrize(
    "part", [ModelReported("m"), Usage(1, 2), Cost(None), Thought("six"), Text("4")]
)
@every_format
def test_the_first_events_come_with_the_first_part(name: str, part: Part) -> None:
    model = part.model if isinstance(part, ModelReported) else HEAD.model
    first = FORMATS[name].writer(Head(HEAD.id, model, HEAD.created)).feed(Usage(1, 2))
    assert first
    assert FORMATS[name].writer(HEAD).feed(part)[: len(first)] == first


@every_format
@pytest.mark.parametrize("last", [End("end_turn"), OVERLOADED])
def test_nothing_is_written_after_the_end(name: str, last: Part) -> None:
    writer = FORMATS[name].writer(HEAD)
    writer.feed(Text("42"))
    writer.feed(last)
    for part in (Text("!"), Thought("?"), End(None), OVERLOADED, Usage(1, 2)):
        assert (writer.feed(part), writer.frames(part)) == ([], b"")


def test_every_event_of_responses_is_numbered_in_order() -> None:
    writer = ResponsesWriter(HEAD)
    said: list[Part] = [Thought("a"), Thought("b"), Text("c"), Text("d"), Text("e"), OVERLOADED]
    data = b"".join(map(writer.frames, said))
    events = [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: ")]
    assert [event["sequence_number"] for event in events] == list(range(15))
    assert events[-1]["type"] == "response.failed"


class TestBrokenOff:
    def test_a_chat_reply_ends_with_an_error_and_without_done(self) -> None:
        *_, text, last = written(ChatCompletionsWriter(HEAD), [Text("4"), OVERLOADED])
        assert text["choices"][0]["delta"] == {"content": "4"}
        assert last == {
            "error": {
                "message": "Claude is overloaded",
                "type": "server_error",
                "param": None,
                "code": "overloaded",
            }
        }

    def test_messages_end_with_an_error_event_and_an_open_block(self) -> None:
        events = list(written(MessagesWriter(HEAD), [Text("4"), OVERLOADED]))
        assert [event["type"] for event in events] == [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "error",
        ]
        assert events[-1] == {
            "type": "error",
            "error": {
                "type": "overloaded_error",
                "message": "Claude is overloaded",
                "details": {"error_code": "overloaded"},
            },
            "request_id": "req_1",
        }

    def test_a_response_fails_with_what_came_until_then(self) -> None:
        said: list[Part] = [Thought("six"), Text("4"), Usage(3, 4), Cost(Decimal("0.5"))]
        *_, last = written(ResponsesWriter(HEAD), [*said, OVERLOADED])
        assert (last["type"], last["sequence_number"]) == ("response.failed", 11)
        response = last["response"]
        assert response["status"] == "failed"
        assert response["error"] == {
            "code": "server_error",
            "message": "Claude is overloaded",
            "type": "server_error",
        }
        assert [(item["type"], item["status"]) for item in response["output"]] == [
            ("reasoning", "completed"),
            ("message", "incomplete"),
        ]
        assert response["output"][1]["content"][0]["text"] == "4"
        assert (response["usage"]["total_tokens"], response["usage"]["cost_usd"]) == (7, "0.5")

    @pytest.mark.parametrize(
        ("status", "code"),
        [(429, "rate_limit_exceeded"), (500, "server_error"), (404, "invalid_prompt")],
    )
    def test_a_failed_response_has_a_code_that_its_clients_know(
        self, status: int, code: str
    ) -> None:
        *_, last = written(ResponsesWriter(HEAD), [ApiError(status, "kind", "words")])
        assert last["response"]["error"]["code"] == code
        assert last["response"]["output"] == []

    @every_format
    @given(said=st.lists(pieces, min_size=1, max_size=6), failure=failures)
    def test_a_client_has_the_same_chunks_and_then_the_error(
        self, name: str, said: list[Chunk], failure: ApiError
    ) -> None:
        wire_format = FORMATS[name]
        whole = list(wire_format.read(written(wire_format.writer(HEAD), said)))
        parsed: list[Chunk] = []
        with pytest.raises(DeepReasoningError) as caught:
            parsed.extend(wire_format.read(written(wire_format.writer(HEAD), [*said, failure])))
        assert parsed == whole
        assert type(caught.value) is expected(failure.status)
        assert failure.safe_message in caught.value.message or not failure.safe_message


def expected(status: int) -> type[DeepReasoningError]:
    """What the client makes of a failure with this status."""
    if status == 401:
        return ConfigError
    return RefusedError if status < 429 else UnavailableError


class TestCost:
    COUNTED: tuple[Chunk | Cost, ...] = (Text("42"), Usage(3, 4))

    def usage_of(self, name: str, events: list[Payload]) -> Payload:
        holder = {"chat_completions": -2, "messages": -2, "responses": -1}[name]
        last = events[holder].get("response", events[holder])
        assert isinstance(last["usage"], dict)
        return last["usage"]

    @every_format
    @pytest.mark.parametrize(
        ("amount", "said"), [(Decimal("0.012345"), "0.012345"), (Decimal("1E-7"), "0.0000001")]
    )
    def test_usage_says_what_was_paid(self, name: str, amount: Decimal, said: str) -> None:
        chunks = [*self.COUNTED, Cost(amount), End("end_turn")]
        events = list(written(FORMATS[name].writer(HEAD), chunks))
        assert self.usage_of(name, events)["cost_usd"] == said
        assert FORMATS[name].whole(chunks, HEAD)["usage"]["cost_usd"] == said

    @every_format
    def test_an_unknown_cost_is_null_and_one_that_nobody_gave_is_not_there(self, name: str) -> None:
        wire_format = FORMATS[name]
        unknown = [*self.COUNTED, Cost(None), End("end_turn")]
        assert (
            self.usage_of(name, list(written(wire_format.writer(HEAD), unknown)))["cost_usd"]
            is None
        )
        assert wire_format.whole(unknown, HEAD)["usage"]["cost_usd"] is None
        silent = [*self.COUNTED, End("end_turn")]
        assert "cost_usd" not in self.usage_of(
            name, list(written(wire_format.writer(HEAD), silent))
        )
        assert "cost_usd" not in wire_format.whole(silent, HEAD)["usage"]

    @every_format
    def test_our_clients_do_not_mind(self, name: str) -> None:
        wire_format = FORMATS[name]
        parsed = list(
            wire_format.read(
                written(wire_format.writer(HEAD), [*self.COUNTED, Cost(None), End("stop")])
            )
        )
        assert Text("42") in parsed
        assert next(each for each in parsed if isinstance(each, Usage)).output_tokens == 4


def test_a_chat_reply_without_usage_still_ends() -> None:
    writer = ChatCompletionsWriter(HEAD, include_usage=False)
    said: list[Part] = [Text("42"), Usage(3, 4), Cost(None), End("stop")]
    events = [event for part in said for event in writer.feed(part)]
    assert [event.get("usage") for event in events] == [None] * 4
    assert events[-1] == DONE
