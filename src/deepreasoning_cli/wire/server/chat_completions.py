"""Chat Completions as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from deepreasoning_cli.pipeline.events import DONE, Chunk, Payload, Text, Thought
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.server.errors import ApiError, openai_envelope
from deepreasoning_cli.wire.server.request import (
    NO_TOOLS,
    ChatRequest,
    Dialogue,
    Fields,
    build_chat_request,
)
from deepreasoning_cli.wire.server.writer import (
    Cost,
    Head,
    ReplyAccumulator,
    ReplyWriter,
    to_finish_reason,
)

DELTA_FIELDS: Final[Mapping[type[Thought | Text], str]] = {
    Thought: "reasoning_content",
    Text: "content",
}


class ChatCompletionsWriter(ReplyWriter):
    """Writes `chat.completion.chunk` objects; the chain of thought is `reasoning_content`.

    `include_usage` is what the client asked for in `stream_options`.
    """

    def __init__(self, head: Head, *, include_usage: bool = True) -> None:
        super().__init__(head)
        self.include_usage = include_usage

    def _start_reply(self) -> Iterable[Payload]:
        yield self._chunk({"role": "assistant", "content": ""})

    def _delta(self, text: str) -> Payload:
        return self._chunk({DELTA_FIELDS[self.reply.kind or Text]: text})

    def _end_reply(self) -> Iterable[Payload]:
        yield self._chunk({}, to_finish_reason(self.reply.reason))
        if self.reply.usage and self.include_usage:
            usage = _usage_object(self.reply.usage) | self.reply.cost_fields
            yield _base(self.head, self.reply.model) | {"choices": [], "usage": usage}
        yield DONE

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        yield openai_envelope(failure)

    def _chunk(self, delta: Payload, finish_reason: str | None = None) -> Payload:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        base = _base(self.head, self.reply.model)
        return base | {"choices": [choice], "usage": None}


def completion_object(chunks: Iterable[Chunk | Cost], head: Head) -> Payload:
    """The `chat.completion` object of a whole reply."""
    reply = ReplyAccumulator.of(chunks, head)
    message: Payload = {"role": "assistant", "content": reply.text_of(Text), "refusal": None}
    if thoughts := reply.text_of(Thought):
        message["reasoning_content"] = thoughts
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": to_finish_reason(reply.reason),
        "logprobs": None,
    }
    payload = _base(head, reply.model) | {"object": "chat.completion", "choices": [choice]}
    if reply.usage:
        payload["usage"] = _usage_object(reply.usage) | reply.cost_fields
    return payload


def _base(head: Head, model: str) -> Payload:
    return {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": model,
    }


def _usage_object(usage: Usage) -> Payload:
    payload: Payload = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
    }
    if usage.reasoning_tokens is not None:
        payload["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return payload


ACCEPTED: Final = NO_TOOLS | {
    "n": (1,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),  # the search here is `web_search_linkup`
    "stop": ([], ""),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "top_k": (0, -1),
}


def read_request(body: object) -> ChatRequest:
    """What the decoded JSON of a request asks. Raises BadRequest, naming the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    dialogue = Dialogue("messages")
    for message in request.objects("messages"):
        dialogue.add_message(message)
    include_usage = request.within("stream_options").boolean("include_usage")
    limits = ("max_tokens", "max_completion_tokens")
    return build_chat_request(
        request, dialogue.prompt(), limits=limits, include_usage=bool(include_usage)
    )
