"""The official `openai` and `anthropic` packages read what our writers write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from deepreasoning_cli.events import Chunk, End, Payload, Served, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire import chat_completions, messages, responses
from deepreasoning_cli.wire.frames import frame
from deepreasoning_cli.wire.reply import Head

HEAD = Head("abc", "deepreasoning", 1795392000)
CHUNKS: list[Chunk] = [
    Served("claude-sonnet-5-5"),
    Thought("six "),
    Thought("sevens\u2028are 42"),
    Text("It is "),
    Text("**42**."),
    Usage(100, 40, 30, cached_tokens=8, cache_write_tokens=5),
    End("end_turn"),
]
CUT: list[Chunk] = [*CHUNKS[:-1], End("max_tokens")]
REASONING, ANSWER = "six sevens\u2028are 42", "It is **42**."
ASKED: Any = [{"role": "user", "content": "6×7?"}]


def answering(reply: Payload | Iterable[Payload]) -> httpx2.Client:
    """An HTTP client whose server says this: one object, or a stream."""

    def handle(_: httpx2.Request) -> httpx2.Response:
        if isinstance(reply, dict):
            return httpx2.Response(200, json=reply)
        stream = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=stream, content=b"".join(map(frame, reply)))

    return httpx2.Client(transport=httpx2.MockTransport(handle))


def openai_client(reply: Payload | Iterable[Payload]) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="sk-test", base_url="http://127.0.0.1/v1", http_client=answering(reply)
    )


def anthropic_client(reply: Payload | Iterable[Payload]) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="sk-test", base_url="http://127.0.0.1", http_client=answering(reply)
    )


@pytest.mark.parametrize(
    ("chunks", "finish_reason"), [(CHUNKS, "stop"), (CUT, "length")], ids=["whole", "cut"]
)
class TestChatCompletions:
    COUNTS = (100, 40, 140, 8, 30)

    def counts(self, usage: Any) -> tuple[int, ...]:
        return (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.prompt_tokens_details.cached_tokens,
            usage.completion_tokens_details.reasoning_tokens,
        )

    def test_streamed(self, chunks: list[Chunk], finish_reason: str) -> None:
        client = openai_client(chat_completions.write(chunks, HEAD))
        received = list(
            client.chat.completions.create(
                model="deepreasoning",
                messages=ASKED,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        choices = [choice for chunk in received for choice in chunk.choices]
        deltas = [choice.delta.model_dump() for choice in choices]
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == REASONING
        assert "".join(delta.get("content") or "" for delta in deltas) == ANSWER
        assert [choice.finish_reason for choice in choices if choice.finish_reason] == [
            finish_reason
        ]
        assert self.counts(received[-1].usage) == self.COUNTS
        assert {(chunk.id, chunk.model, chunk.created) for chunk in received} == {
            ("chatcmpl-abc", "claude-sonnet-5-5", 1795392000)
        }

    def test_whole(self, chunks: list[Chunk], finish_reason: str) -> None:
        client = openai_client(chat_completions.whole(chunks, HEAD))
        reply = client.chat.completions.create(model="deepreasoning", messages=ASKED)
        choice = reply.choices[0]
        said = choice.message.model_dump()
        assert (said["reasoning_content"], said["content"]) == (REASONING, ANSWER)
        assert (choice.finish_reason, reply.model) == (finish_reason, "claude-sonnet-5-5")
        assert self.counts(reply.usage) == self.COUNTS


@pytest.mark.parametrize(
    ("chunks", "status", "reason"),
    [(CHUNKS, "completed", None), (CUT, "incomplete", "max_output_tokens")],
    ids=["whole", "cut"],
)
class TestResponses:
    def check(self, reply: Any, status: str, reason: str | None) -> None:
        thinking, message = reply.output
        assert (thinking.content[0].text, message.content[0].text) == (REASONING, ANSWER)
        assert reply.output_text == ANSWER
        assert (reply.status, reply.model) == (status, "claude-sonnet-5-5")
        assert (reply.incomplete_details and reply.incomplete_details.reason) == reason
        usage = reply.usage
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (100, 40, 140)
        assert usage.input_tokens_details.cached_tokens == 8
        assert usage.output_tokens_details.reasoning_tokens == 30

    def test_streamed(self, chunks: list[Chunk], status: str, reason: str | None) -> None:
        client = openai_client(responses.write(chunks, HEAD))
        with client.responses.stream(model="deepreasoning", input="6×7?") as stream:
            events = list(stream)
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        thoughts = [
            event.delta for event in events if event.type == "response.reasoning_text.delta"
        ]
        assert ("".join(thoughts), "".join(deltas)) == (REASONING, ANSWER)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        last: Any = events[-1]
        assert last.type == f"response.{status}"
        self.check(last.response, status, reason)

    def test_whole(self, chunks: list[Chunk], status: str, reason: str | None) -> None:
        client = openai_client(responses.whole(chunks, HEAD))
        self.check(client.responses.create(model="deepreasoning", input="6×7?"), status, reason)


@pytest.mark.parametrize(
    ("chunks", "stop_reason"), [(CHUNKS, "end_turn"), (CUT, "max_tokens")], ids=["whole", "cut"]
)
class TestMessages:
    def check(self, reply: Any, stop_reason: str) -> None:
        thinking, text = reply.content
        assert (thinking.type, thinking.thinking, thinking.signature) == ("thinking", REASONING, "")
        assert (text.type, text.text) == ("text", ANSWER)
        assert (reply.stop_reason, reply.model) == (stop_reason, "claude-sonnet-5-5")
        usage = reply.usage
        assert (usage.input_tokens, usage.output_tokens) == (87, 40)
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (8, 5)
        assert usage.output_tokens_details.thinking_tokens == 30

    def test_streamed(self, chunks: list[Chunk], stop_reason: str) -> None:
        client = anthropic_client(messages.write(chunks, HEAD))
        with client.messages.stream(
            model="deepreasoning", max_tokens=100, messages=ASKED
        ) as stream:
            texts = "".join(stream.text_stream)
            self.check(stream.get_final_message(), stop_reason)
        assert texts == ANSWER

    def test_whole(self, chunks: list[Chunk], stop_reason: str) -> None:
        client = anthropic_client(messages.whole(chunks, HEAD))
        self.check(
            client.messages.create(model="deepreasoning", max_tokens=100, messages=ASKED),
            stop_reason,
        )


def test_what_is_sent_is_plain_json() -> None:
    for written in (chat_completions.write, messages.write, responses.write):
        for payload in written(CHUNKS, HEAD):
            assert json.loads(json.dumps(payload)) == payload
