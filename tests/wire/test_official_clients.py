"""The official `openai` and `anthropic` packages read what our writers write."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, ClassVar

import anthropic
import httpx2
import openai
import pytest

from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Message,
    ModelReported,
    Payload,
    Prompt,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import Rates, Usage
from deepreasoning_cli.wire.server import model_list
from deepreasoning_cli.wire.server.chat_completions import ChatCompletionsWriter
from deepreasoning_cli.wire.server.chat_completions import read_request as read_chat_completions
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope, openai_envelope
from deepreasoning_cli.wire.server.messages import MessagesWriter
from deepreasoning_cli.wire.server.messages import read_request as read_messages
from deepreasoning_cli.wire.server.model_list import ModelListing, StageModel
from deepreasoning_cli.wire.server.request import ChatRequest, RequestParameters
from deepreasoning_cli.wire.server.responses import ResponsesWriter
from deepreasoning_cli.wire.server.responses import read_request as read_responses
from deepreasoning_cli.wire.server.writer import Cost, Head, Part, encode_event
from support.written import completion_object, message_object, response_object, written

HEAD = Head("abc", "deepreasoning", 1795392000)
CHUNKS: list[Chunk | Cost] = [
    ModelReported("claude-sonnet-5-5"),
    Thought("six "),
    Thought("sevens\u2028are 42"),
    Text("It is "),
    Text("**42**."),
    Usage(100, 40, 30, cached_tokens=8, cache_write_tokens=5),
    Cost(Decimal("0.0123")),
    End("end_turn"),
]
CUT_OFF: list[Chunk | Cost] = [*CHUNKS[:-1], End("max_tokens")]
REASONING, ANSWER = "six sevens\u2028are 42", "It is **42**."
ASKED: Any = [{"role": "user", "content": "6×7?"}]


Reply = Payload | Iterable[Payload]


def answering(reply: Reply, status: int, requests: list[Any] | None) -> httpx2.Client:
    """An HTTP client whose server says this, one object or a stream, and keeps what it hears."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        if requests is not None:
            requests.append(json.loads(request.content))
        if isinstance(reply, dict):
            return httpx2.Response(status, json=reply)
        stream = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=stream, content=b"".join(map(encode_event, reply)))

    return httpx2.Client(transport=httpx2.MockTransport(handle))


def openai_client(
    reply: Reply, status: int = 200, requests: list[Any] | None = None
) -> openai.OpenAI:
    return openai.OpenAI(
        api_key="sk-test",
        base_url="http://127.0.0.1/v1",
        http_client=answering(reply, status, requests),
        max_retries=0,
    )


def anthropic_client(
    reply: Reply, status: int = 200, requests: list[Any] | None = None
) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        api_key="sk-test",
        base_url="http://127.0.0.1",
        http_client=answering(reply, status, requests),
        max_retries=0,
    )


@pytest.mark.parametrize(
    ("chunks", "finish_reason"), [(CHUNKS, "stop"), (CUT_OFF, "length")], ids=["whole", "cut"]
)
class TestChatCompletions:
    COUNTS = (100, 40, 140, 8, 30, "0.0123")

    def counts(self, usage: Any) -> tuple[object, ...]:
        return (
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.prompt_tokens_details.cached_tokens,
            usage.completion_tokens_details.reasoning_tokens,
            usage.model_extra["cost_usd"],
        )

    def test_streamed(self, chunks: list[Chunk | Cost], finish_reason: str) -> None:
        client = openai_client(written(ChatCompletionsWriter(HEAD), chunks))
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

    def test_whole(self, chunks: list[Chunk | Cost], finish_reason: str) -> None:
        client = openai_client(completion_object(chunks, HEAD))
        reply = client.chat.completions.create(model="deepreasoning", messages=ASKED)
        choice = reply.choices[0]
        said = choice.message.model_dump()
        assert (said["reasoning_content"], said["content"]) == (REASONING, ANSWER)
        assert (choice.finish_reason, reply.model) == (finish_reason, "claude-sonnet-5-5")
        assert self.counts(reply.usage) == self.COUNTS


@pytest.mark.parametrize(
    ("chunks", "status", "reason"),
    [(CHUNKS, "completed", None), (CUT_OFF, "incomplete", "max_output_tokens")],
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
        assert usage.model_extra["cost_usd"] == "0.0123"

    def test_streamed(self, chunks: list[Chunk | Cost], status: str, reason: str | None) -> None:
        client = openai_client(written(ResponsesWriter(HEAD), chunks))
        with client.responses.stream(model="deepreasoning", input="6×7?") as stream:
            events = list(stream)
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        thoughts = [
            event.delta for event in events if event.type == "response.reasoning_summary_text.delta"
        ]
        assert ("".join(thoughts), "".join(deltas)) == (REASONING, ANSWER)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        last: Any = events[-1]
        assert last.type == f"response.{status}"
        self.check(last.response, status, reason)

    def test_whole(self, chunks: list[Chunk | Cost], status: str, reason: str | None) -> None:
        client = openai_client(response_object(chunks, HEAD))
        self.check(client.responses.create(model="deepreasoning", input="6×7?"), status, reason)


@pytest.mark.parametrize(
    ("chunks", "stop_reason"), [(CHUNKS, "end_turn"), (CUT_OFF, "max_tokens")], ids=["whole", "cut"]
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

    def test_streamed(self, chunks: list[Chunk | Cost], stop_reason: str) -> None:
        client = anthropic_client(written(MessagesWriter(HEAD), chunks))
        with client.messages.stream(
            model="deepreasoning", max_tokens=100, messages=ASKED
        ) as stream:
            texts = "".join(stream.text_stream)
            self.check(stream.get_final_message(), stop_reason)
        assert texts == ANSWER

    def test_whole(self, chunks: list[Chunk | Cost], stop_reason: str) -> None:
        client = anthropic_client(message_object(chunks, HEAD))
        reply = client.messages.create(model="deepreasoning", max_tokens=100, messages=ASKED)
        self.check(reply, stop_reason)
        assert (reply.usage.model_extra or {})["cost_usd"] == "0.0123"


def test_what_is_sent_is_plain_json() -> None:
    for writer in (ChatCompletionsWriter(HEAD), MessagesWriter(HEAD), ResponsesWriter(HEAD)):
        for payload in chain.from_iterable(map(writer.feed, CHUNKS)):
            assert json.loads(json.dumps(payload)) == payload


OVERLOADED = ApiError(529, "overloaded", "Claude is overloaded", request_id="req_1")
BROKEN: list[Part] = [Thought("six "), Text("It is "), Text("4"), OVERLOADED]


class TestBrokenOff:
    """What the packages make of a reply that breaks off, after they have had its text."""

    def test_a_chat_stream_raises(self) -> None:
        client = openai_client(written(ChatCompletionsWriter(HEAD), BROKEN))
        stream = client.chat.completions.create(model="m", messages=ASKED, stream=True)
        pieces: list[str | None] = []
        with pytest.raises(openai.APIError, match="Claude is overloaded") as caught:
            pieces.extend(chunk.choices[0].delta.content for chunk in stream)
        assert "".join(filter(None, pieces)) == "It is 4"
        assert (caught.value.type, caught.value.code) == ("server_error", "overloaded")

    def test_a_responses_stream_has_the_failed_event_last(self) -> None:
        client = openai_client(written(ResponsesWriter(HEAD), BROKEN))
        events: list[Any] = list(
            client.responses.create(model="deepreasoning", input="6×7?", stream=True)
        )
        last = events[-1]
        assert (last.type, last.sequence_number) == ("response.failed", len(events) - 1)
        assert (last.response.status, last.response.error.code) == ("failed", "server_error")
        assert last.response.error.message == "Claude is overloaded"
        assert last.response.output_text == "It is 4"

    def test_a_messages_stream_raises(self) -> None:
        client = anthropic_client(written(MessagesWriter(HEAD), BROKEN))
        pieces: list[str] = []
        with client.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
            texts = stream.text_stream
            with pytest.raises(anthropic.APIStatusError, match="is overloaded") as caught:
                pieces.extend(texts)
        assert "".join(pieces) == "It is 4"
        assert caught.value.error_code == "overloaded"


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (429, "RateLimitError"),
        (502, "InternalServerError"),
    ],
)
class TestRefused:
    """What the packages make of an envelope with its status."""

    FIELD = "messages[0].content[1].type"

    def failure(self, status: int) -> ApiError:
        return ApiError(status, "some_kind", "No.", self.FIELD, "req_1")

    def test_openais(self, status: int, name: str) -> None:
        client = openai_client(openai_envelope(self.failure(status)), status)
        with pytest.raises(getattr(openai, name), match="No\\.") as caught:
            client.chat.completions.create(model="deepreasoning", messages=ASKED)
        assert (caught.value.code, caught.value.param) == ("some_kind", self.FIELD)
        client = openai_client(openai_envelope(self.failure(status)), status)
        with pytest.raises(getattr(openai, name), match="No\\."):
            client.responses.create(model="deepreasoning", input="6×7?")

    def test_anthropics(self, status: int, name: str) -> None:
        client = anthropic_client(anthropic_envelope(self.failure(status)), status)
        with pytest.raises(getattr(anthropic, name), match="No\\.") as caught:
            client.messages.create(model="m", max_tokens=9, messages=ASKED)
        assert (caught.value.error_code, caught.value.body["request_id"]) == ("some_kind", "req_1")


class TestListing:
    MODELS = (
        ModelListing(
            id="deepreasoning",
            name="The pair",
            created=1795392000,
            defaults=RequestParameters("sonnet", 0.7, 0.9, 8192),
            answerer=StageModel("claude-sonnet-5-5", Rates(Decimal(3), Decimal(15))),
            context=200_000,
        ),
        ModelListing(
            id="deepreasoning/haiku",
            name="Haiku",
            created=0,
            defaults=RequestParameters(),
            answerer=StageModel("claude-haiku-5-5", None),
        ),
    )

    def test_openais_client_lists_and_retrieves(self) -> None:
        first, second = openai_client(model_list.model_list(self.MODELS)).models.list()
        assert (first.id, first.object, first.created) == ("deepreasoning", "model", 1795392000)
        assert (second.id, second.owned_by) == ("deepreasoning/haiku", "deepreasoning")
        one = openai_client(model_list.model_object(self.MODELS[0])).models.retrieve(
            "deepreasoning"
        )
        assert one.model_dump()["pricing"]["answer"]["output"] == "15"

    def test_anthropics_client_lists_and_retrieves(self) -> None:
        found = anthropic_client(model_list.model_list(self.MODELS)).models.list()
        assert [model.id for model in found] == ["deepreasoning", "deepreasoning/haiku"]
        assert (found.first_id, found.last_id, found.has_more) == (
            "deepreasoning",
            "deepreasoning/haiku",
            False,
        )
        one = anthropic_client(model_list.model_object(self.MODELS[0])).models.retrieve(
            "deepreasoning"
        )
        assert (one.type, one.display_name, one.lifecycle) == ("model", "The pair", "active")
        assert one.created_at == datetime(2026, 11, 23, tzinfo=UTC)
        assert one.max_input_tokens == 200_000


class TestAsked:
    """What the packages send, our server's side reads."""

    EXTRA: ClassVar[dict[str, object]] = {
        "anthropic_model": "haiku",
        "web_search_linkup": True,
        "temperature": 0.5,
    }
    PARAMETERS = RequestParameters("haiku", 0.5, None, 100, web_search_linkup=True)
    PROMPT = Prompt((Message("user", "6×7?"),), "Be brief.")

    def test_chat_completions(self) -> None:
        requests: list[Any] = []
        client = openai_client(written(ChatCompletionsWriter(HEAD), CHUNKS), requests=requests)
        client.chat.completions.create(
            model="deepreasoning",
            messages=[{"role": "system", "content": "Be brief."}, *ASKED],
            max_completion_tokens=100,
            stream=True,
            stream_options={"include_usage": True},
            extra_body=self.EXTRA,
        ).close()
        assert [read_chat_completions(body) for body in requests] == [
            ChatRequest(
                "deepreasoning", self.PROMPT, self.PARAMETERS, stream=True, include_usage=True
            )
        ]

    def test_responses(self) -> None:
        requests: list[Any] = []
        client = openai_client(response_object(CHUNKS, HEAD), requests=requests)
        client.responses.create(
            model="deepreasoning",
            instructions="Be brief.",
            input=[{"role": "user", "content": [{"type": "input_text", "text": "6×7?"}]}],
            max_output_tokens=100,
            extra_body=self.EXTRA,
        )
        assert [read_responses(body) for body in requests] == [
            ChatRequest("deepreasoning", self.PROMPT, self.PARAMETERS, stream=False)
        ]

    def test_messages(self) -> None:
        requests: list[Any] = []
        client = anthropic_client(written(MessagesWriter(HEAD), CHUNKS), requests=requests)
        client.messages.create(
            model="deepreasoning",
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=ASKED,
            max_tokens=100,
            stream=True,
            extra_body=self.EXTRA,
        ).close()
        assert [read_messages(body) for body in requests] == [
            ChatRequest("deepreasoning", self.PROMPT, self.PARAMETERS, stream=True)
        ]

    def test_what_a_reply_held_may_be_sent_back(self) -> None:
        """Output items and content blocks, as clients keep them for the next turn."""
        response = openai_client(response_object(CHUNKS, HEAD)).responses.create(
            model="deepreasoning", input="6×7?"
        )
        items = [json.loads(item.model_dump_json()) for item in response.output]
        answered = (Message("user", "6×7?"), Message("assistant", ANSWER), Message("user", "Sure?"))
        question, sure = ASKED[0], {"role": "user", "content": "Sure?"}
        body: Payload = {"model": "deepreasoning", "input": [question, *items, sure]}
        assert read_responses(body).prompt.messages == answered

        message = anthropic_client(message_object(CHUNKS, HEAD)).messages.create(
            model="deepreasoning", max_tokens=9, messages=ASKED
        )
        blocks = json.loads(message.model_dump_json())["content"]
        turns = [question, {"role": "assistant", "content": blocks}, sure]
        body = {"model": "deepreasoning", "messages": turns}
        assert read_messages(body).prompt.messages == answered

        completion = openai_client(completion_object(CHUNKS, HEAD)).chat.completions.create(
            model="deepreasoning", messages=ASKED
        )
        said = json.loads(completion.choices[0].message.model_dump_json())
        body = {"model": "deepreasoning", "messages": [question, said, sure]}
        assert read_chat_completions(body).prompt.messages == answered
