"""Chat Completions on the server's side: read a request, write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from deepreasoning_cli.pipeline.events import (
    DONE,
    Payload,
    Text,
    Thought,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.server.answer_options import read_options, read_output_format
from deepreasoning_cli.wire.server.conversation import Conversation
from deepreasoning_cli.wire.server.errors import ApiError, openai_envelope
from deepreasoning_cli.wire.server.request import (
    NO_FUNCTIONS,
    ChatRequest,
    Fields,
    build_chat_request,
    read_effort,
)
from deepreasoning_cli.wire.server.writer import ReplyWriter, openai_usage, to_finish_reason


class ChatCompletionsWriter(ReplyWriter):
    """Writes `chat.completion.chunk` objects; the chain of thought is `reasoning_content`."""

    def whole(self) -> Payload:
        """The `chat.completion` object."""
        message: Payload = {
            "role": "assistant",
            "content": self.reply.text_of(Text),
            "refusal": None,
        }
        if thoughts := self.reply.text_of(Thought):
            message["reasoning_content"] = thoughts
        if calls := [
            _call_object(kind, str(texts))
            for kind, texts in self.reply.runs
            if isinstance(kind, ToolCallStarted)
        ]:
            message["tool_calls"] = calls
            message["content"] = message["content"] or None
        choice = self._choice("message", message, to_finish_reason(*self.reply.ending_words))
        payload = self._base("chat.completion") | {"choices": [choice]}
        return payload | ({"usage": self._usage(self.reply.usage)} if self.reply.usage else {})

    def _start_reply(self) -> Iterable[Payload]:
        yield self._chunk({"role": "assistant", "content": ""})

    def _start_block(self) -> Iterable[Payload]:
        kind = self.reply.kind
        if isinstance(kind, ToolCallStarted):
            yield self._chunk({"tool_calls": [self._call_index | _call_object(kind, "")]})

    @property
    def _call_index(self) -> Payload:
        """The place of the open call among the calls."""
        return {"index": self.reply.calls - 1}

    def _delta(self, text: str) -> Payload:
        if isinstance(self.reply.kind, ToolCallStarted):
            arguments = {"function": {"arguments": text}}
            return self._chunk({"tool_calls": [self._call_index | arguments]})
        name = "reasoning_content" if self.reply.kind is Thought else "content"
        return self._chunk({name: text})

    def _end_reply(self) -> Iterable[Payload]:
        yield self._chunk({}, to_finish_reason(*self.reply.ending_words))
        if self.reply.usage and self.include_usage:
            yield self._base() | {"choices": [], "usage": self._usage(self.reply.usage)}
        yield DONE

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        yield openai_envelope(failure)

    def _chunk(self, delta: Payload, finish_reason: str | None = None) -> Payload:
        choice = self._choice("delta", delta, finish_reason)
        return self._base() | {"choices": [choice], "usage": None}

    def _choice(self, name: str, message: Payload, finish_reason: str | None) -> Payload:
        return {"index": 0, name: message, "finish_reason": finish_reason, "logprobs": None}

    def _base(self, kind: str = "chat.completion.chunk") -> Payload:
        return {
            "id": f"chatcmpl-{self.head.id}",
            "object": kind,
            "created": self.head.created,
            "model": self.reply.model,
        }

    def _usage(self, usage: Usage) -> Payload:
        payload = openai_usage(usage, "prompt", "completion") | self.reply.cost_fields
        if usage.reasoning_tokens is not None:
            payload["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
        return payload


def _call_object(call: ToolCallStarted, arguments: str) -> Payload:
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}


ACCEPTED: Final = NO_FUNCTIONS | {
    "n": (1,),
    "modalities": (["text"],),
    "audio": (),
    "web_search_options": (),  # the search here is `web_search_linkup`
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
}


def read_request(body: object) -> ChatRequest:
    """The request in the decoded JSON. Raises BadRequest, which names the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    include_usage = request.within("stream_options").boolean("include_usage")
    conversation = Conversation("messages")
    for message in request.objects("messages"):
        conversation.add_message(message)
    prompt = conversation.prompt()
    output_format = read_output_format(request, "response_format")
    return build_chat_request(
        request,
        replace(prompt, options=read_options(request, prompt, output_format)),
        limits=("max_tokens", "max_completion_tokens"),
        include_usage=bool(include_usage),
        effort=read_effort(request, "reasoning_effort"),
    )
