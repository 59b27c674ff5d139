"""Every reply and every event is what the vendors publish: their SDKs' types, taken strictly, and
the OpenAPI documents of OpenAI and of Open Responses.

`DEEPREASONING_SPECIFICATIONS=FOLDER` names a folder with clones of openai/openai-openapi and
openresponses/openresponses. Without it the SDKs' types alone are asked.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import pydantic
import pytest
from anthropic.types import (
    ErrorResponse,
    Message,
    MessageTokensCount,
    ModelInfo,
    RawMessageStreamEvent,
)
from openai.types import Completion, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import InputTokenCountResponse, Response, ResponseStreamEvent
from openai.types.shared import ErrorObject
from starlette.types import ASGIApp

from deepreasoning_cli.pipeline.events import (
    DONE,
    End,
    ModelReported,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.server import create_app
from deepreasoning_cli.wire.server import chat_completions, completions, messages, responses
from deepreasoning_cli.wire.server.errors import ApiError
from deepreasoning_cli.wire.server.writer import Cost, Head, Part, ReplyWriter
from support.asgi_calls import call, pieces, scope
from support.written import written

FOLDER: Final = os.environ.get("DEEPREASONING_SPECIFICATIONS")
ANSWER: Final = (Text("It is "), Text("**42**."))
THOUGHTS: Final = (Thought("six "), Thought("sevens"))
ENDED: Final = (Usage(100, 40, 30, 8, 5), Cost(Decimal("0.0123")))
CALL: Final = (ToolCallStarted("call_1", "read"), ToolArguments('{"path":'), ToolArguments('"a"}'))
SECOND_CALL: Final = (ToolCallStarted("call_2", "list"), ToolArguments("{}"))
REPLIES: Final[dict[str, tuple[Part, ...]]] = {
    "text": (*ANSWER, *ENDED, End("end_turn")),
    "reasoning": (ModelReported("claude"), *THOUGHTS, *ANSWER, *ENDED, End("end_turn")),
    "thinks-twice": (*THOUGHTS, *ANSWER, *THOUGHTS, *ANSWER, *ENDED, End("stop")),
    "tools": (*THOUGHTS, *ANSWER, *CALL, *SECOND_CALL, *ENDED, End("tool_use")),
    "call-without-arguments": (ToolCallStarted("call_3", "now"), *ENDED, End("tool_use")),
    "refusal": (*THOUGHTS, Text("No."), *ENDED, End("refusal")),
    "refusal-without-a-word": (*ENDED, End("refusal")),
    "cut": (*THOUGHTS, *ANSWER, *ENDED, End("max_tokens")),
    "cut-while-it-thinks": (*THOUGHTS, *ENDED, End("length")),
    "cut-in-a-call": (*CALL[:2], *ENDED, End("max_tokens")),
    "stop-sequence": (*ANSWER, *ENDED, End("stop_sequence", "END")),
    "unpriced": (*ANSWER, Usage(1, 2), Cost(None), End("end_turn")),
    "uncounted": (*ANSWER, End("end_turn")),
    "empty": (End("end_turn"),),
}
OVERLOADED: Final = ApiError(529, "overloaded", "Claude is overloaded", request_id="abc")
FAILURES: Final[dict[str, tuple[Part, ...]]] = {
    "nothing-came": (OVERLOADED,),
    "while-it-thinks": (*THOUGHTS, OVERLOADED),
    "in-the-answer": (*THOUGHTS, *ANSWER, *ENDED, OVERLOADED),
    "in-a-call": (*CALL[:2], ApiError(429, "rate_limit", "slow down", "messages")),
    "refused": (*ANSWER, ApiError(400, "no_credit", "no credit left")),
}
HEAD: Final = Head("abc", "deepreasoning", 1795392000, input_tokens=7)
REQUEST: Final[Payload] = {
    "model": "deepreasoning",
    "input": "6×7?",
    "instructions": "Be brief.",
    "max_output_tokens": 99,
    "metadata": {"a": "b"},
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "reasoning": {"effort": "high", "summary": "auto"},
    "text": {"verbosity": "low"},
    "tool_choice": {"type": "function", "name": "read"},
    "tools": [
        {"type": "function", "name": "read", "parameters": {"type": "object"}, "strict": True},
        {"type": "function", "name": "list", "parameters": None},
    ],
    "temperature": 0,
    "top_p": 0.5,
}
OWN_FIELDS: Final = {
    "cost_usd",  # in every usage
    "reasoning_content",  # as DeepSeek has it
    "type",  # of the error of a failed response
    "name",  # of response.function_call_arguments.done: OpenAI's OpenAPI requires it
    "details",  # of an error in Anthropic's envelope
    *("frequency_penalty", "presence_penalty", "store"),  # Open Responses requires them
}
"""What replies have beside the fields of the SDKs' types."""


def asked() -> Head:
    """What a reply of Responses repeats of a request with everything."""
    repeated = {**responses.read_request(REQUEST).repeated, "store": True}
    return Head("abc", "deepreasoning", 1795392000, {**repeated, "previous_response_id": "resp_1"})


WRITERS: Final[dict[str, tuple[type[ReplyWriter], Any, Any, list[Head]]]] = {
    "chat_completions": (
        chat_completions.ChatCompletionsWriter,
        ChatCompletion,
        ChatCompletionChunk,
        [HEAD],
    ),
    "responses": (responses.ResponsesWriter, Response, ResponseStreamEvent, [HEAD, asked()]),
    "messages": (messages.MessagesWriter, Message, RawMessageStreamEvent, [HEAD]),
    "completions": (completions.CompletionsWriter, Completion, Completion, [HEAD]),
}
every_format = pytest.mark.parametrize("name", WRITERS)
every_reply = pytest.mark.parametrize("reply", REPLIES)
every_failure = pytest.mark.parametrize("failure", FAILURES)


def whole(name: str, parts: tuple[Part, ...], head: Head) -> Payload:
    """The object of the reply."""
    writer = WRITERS[name][0](head)
    for part in parts:
        assert not isinstance(part, ApiError)
        writer.reply.add(part)
    return writer.whole()


def events(name: str, parts: tuple[Part, ...], head: Head) -> Iterator[Payload]:
    """The events of the reply but `[DONE]`."""
    for event in written(WRITERS[name][0](head), parts):
        if event != DONE:
            yield event


def extra_fields(value: object) -> Iterator[str]:
    """The names of all fields that the SDK's types do not have."""
    if isinstance(value, pydantic.BaseModel):
        yield from value.model_extra or ()
        for name in type(value).model_fields:
            yield from extra_fields(getattr(value, name))
    elif isinstance(value, list):
        for each in value:
            yield from extra_fields(each)


@cache
def adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    return pydantic.TypeAdapter(kind)


def check_type(payload: Payload, kind: Any) -> None:
    """It is exactly of the SDK's type: each field of its type, none missing, none unknown."""
    read = adapter(kind).validate_json(json.dumps(payload), strict=True)
    assert set(extra_fields(read)) <= OWN_FIELDS


def without_nulls(payload: Payload) -> Payload:
    """The payload without what OpenAI's own API has as null, and its document has not: in a chunk,
    that it goes on, and its log probabilities; usage before it is known.
    """
    kept = {name: value for name, value in payload.items() if (name, value) != ("usage", None)}
    for choice in kept.get("choices", ()):
        choice["finish_reason"] = choice["finish_reason"] or "stop"
        if "delta" in choice:
            del choice["logprobs"]
    if "response" in kept:
        kept["response"] = without_nulls(kept["response"])
    return kept


@every_format
@every_reply
def test_a_whole_reply_is_of_the_sdks_type(name: str, reply: str) -> None:
    _, kind, _, heads = WRITERS[name]
    for head in heads:
        check_type(whole(name, REPLIES[reply], head), kind)


@every_format
@every_reply
def test_every_event_is_of_the_sdks_type(name: str, reply: str) -> None:
    _, _, kind, heads = WRITERS[name]
    for head in heads:
        for event in events(name, REPLIES[reply], head):
            # an old type, which has a reason for every piece
            check_type(without_nulls(event) if name == "completions" else event, kind)


@every_failure
def test_a_failure_in_a_stream_is_of_the_sdks_type(failure: str) -> None:
    *_, chat = events("chat_completions", FAILURES[failure], HEAD)
    check_type(chat["error"], ErrorObject)
    *_, message = events("messages", FAILURES[failure], HEAD)
    check_type(message, ErrorResponse)
    for event in events("responses", FAILURES[failure], asked()):
        check_type(event, ResponseStreamEvent)


@pytest.fixture
def demo() -> ASGIApp:
    return create_app(flags={"backend": "demo", "history": False})


@pytest.mark.parametrize("kind", [Model, ModelInfo])
def test_every_model_is_of_both_sdks_type(demo: ASGIApp, kind: Any) -> None:
    listed = call(demo, scope("/v1/models")).json["data"]
    assert len(listed) > 10
    for model in listed:  # it has more than the types know: parameters and rates
        adapter(kind).validate_json(json.dumps(model), strict=True)


@pytest.mark.parametrize(
    ("path", "question", "kind"),
    [
        (
            "/v1/messages/count_tokens",
            {"messages": [{"role": "user", "content": "6×7?"}]},
            MessageTokensCount,
        ),
        ("/v1/responses/input_tokens", {"input": "6×7?"}, InputTokenCountResponse),
    ],
)
def test_a_count_is_of_the_sdks_type(
    demo: ASGIApp, path: str, question: Payload, kind: Any
) -> None:
    body = json.dumps({"model": "deepreasoning"} | question).encode()
    headers = [("content-type", "application/json")]
    answer = call(demo, scope(path, "POST", headers), pieces(body))
    assert set(extra_fields(adapter(kind).validate_json(answer.body, strict=True))) == {"estimated"}


# ------------------------------------------------------------------------- the OpenAPI documents


OPENAI: Final = "openai-openapi/openapi.json"
OPEN_RESPONSES: Final = "openresponses/public/openapi/openapi.json"
with_documents = pytest.mark.skipif(
    FOLDER is None, reason="DEEPREASONING_SPECIFICATIONS names no folder"
)


@cache
def schema_validator(document: str, name: str) -> jsonschema.Draft202012Validator:
    """What the document says of the schema with that name."""
    text = (Path(str(FOLDER)) / document).read_text(encoding="utf-8")
    components = json.loads(text)["components"]
    reference = f"#/components/schemas/{name}"
    return jsonschema.Draft202012Validator({"$ref": reference, "components": components})


def check_schema(payload: Payload, document: str, name: str) -> None:
    failures = list(schema_validator(document, name).iter_errors(payload))
    assert failures == [], payload


def event_schema(event: Payload) -> str:
    """The name that Open Responses gives to the schema of such an event."""
    words = re.findall("[a-z]+", event["type"].replace("summary_text", "summary"))
    return f"{''.join(map(str.title, words))}StreamingEvent"


SCHEMAS: Final = {
    "chat_completions": ("CreateChatCompletionResponse", "CreateChatCompletionStreamResponse"),
    "responses": ("Response", "ResponseStreamEvent"),
    "completions": ("CreateCompletionResponse", "CreateCompletionResponse"),
}


@with_documents
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_whole_reply_is_as_openai_publishes_it(name: str) -> None:
    for head in WRITERS[name][-1]:
        for parts in REPLIES.values():
            check_schema(without_nulls(whole(name, parts, head)), OPENAI, SCHEMAS[name][0])


@with_documents
@pytest.mark.parametrize("name", SCHEMAS)
def test_every_event_is_as_openai_publishes_it(name: str) -> None:
    for head in WRITERS[name][-1]:
        for parts in REPLIES.values():
            for event in events(name, parts, head):
                check_schema(without_nulls(event), OPENAI, SCHEMAS[name][1])


@with_documents
def test_a_failure_in_a_stream_is_as_openai_publishes_it() -> None:
    for parts in FAILURES.values():
        *_, chat = events("chat_completions", parts, HEAD)
        check_schema(chat, OPENAI, "ErrorResponse")
        for event in events("responses", parts, asked()):
            check_schema(without_nulls(event), OPENAI, "ResponseStreamEvent")


@with_documents
def test_every_event_is_as_open_responses_has_it() -> None:
    for head in WRITERS["responses"][-1]:
        for parts in (*REPLIES.values(), *FAILURES.values()):
            last: Payload = {}
            for last in events("responses", parts, head):
                check_schema(last, OPEN_RESPONSES, event_schema(last))
            check_schema(last["response"], OPEN_RESPONSES, "ResponseResource")
