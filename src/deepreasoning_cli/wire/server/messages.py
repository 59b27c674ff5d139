"""Messages on the server's side: read a request, write a streamed or a whole reply."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from deepreasoning_cli.pipeline.events import Payload, Thought, ToolCallStarted
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.wire.server.answer_options import read_options, read_output_format
from deepreasoning_cli.wire.server.conversation import Conversation, system_text
from deepreasoning_cli.wire.server.errors import ApiError, anthropic_envelope
from deepreasoning_cli.wire.server.request import (
    NO_FUNCTIONS,
    BadRequest,
    ChatRequest,
    Fields,
    build_chat_request,
    read_effort,
)
from deepreasoning_cli.wire.server.writer import ReplyWriter, RunKind, in_json, to_stop_reason

NO_SIGNATURE = ""
"""A thinking block must have one, but only Anthropic can make one that Anthropic accepts."""


class MessagesWriter(ReplyWriter):
    """Writes thinking and text blocks, a new one wherever the kind changes."""

    def whole(self) -> Payload:
        """The `message` object."""
        content = [_block(kind, in_json(texts)) for kind, texts in self.reply.runs]
        return self._message(content, to_stop_reason(*self.reply.ending_words), self._usage())

    def _start_reply(self) -> Iterable[Payload]:
        usage = _usage_object(None) | {"input_tokens": self.head.input_tokens}
        message = self._message([], None, usage)
        yield {"type": "message_start", "message": message}

    def _start_block(self) -> Iterable[Payload]:
        yield self._event("content_block_start", content_block=_block(self.reply.kind, ""))

    def _delta(self, text: str) -> Payload:
        if isinstance(self.reply.kind, ToolCallStarted):
            delta = {"type": "input_json_delta", "partial_json": text}
            return self._event("content_block_delta", delta=delta)
        name = "thinking" if self.reply.kind is Thought else "text"
        return self._event("content_block_delta", delta={"type": f"{name}_delta", name: text})

    def _end_block(self) -> Iterable[Payload]:
        if self.reply.kind is Thought:
            delta = {"type": "signature_delta", "signature": NO_SIGNATURE}
            yield self._event("content_block_delta", delta=delta)
        if self.reply.kind:
            yield self._event("content_block_stop")

    def _end_reply(self) -> Iterable[Payload]:
        reason = to_stop_reason(*self.reply.ending_words)
        delta = {"stop_reason": reason, "stop_sequence": self.reply.stopped_at}
        yield {"type": "message_delta", "delta": delta, "usage": self._usage()}
        yield {"type": "message_stop"}

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        yield anthropic_envelope(failure)

    def _usage(self) -> Payload:
        return _usage_object(self.reply.usage) | self.reply.cost_fields

    def _message(self, content: list[Payload], reason: str | None, usage: Payload) -> Payload:
        return {
            "id": f"msg_{self.head.id}",
            "type": "message",
            "role": "assistant",
            "model": self.reply.model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": self.reply.stopped_at,
            "usage": usage,
        }

    def _event(self, name: str, **fields: Payload) -> Payload:
        """An event of the open block."""
        return {"type": name, "index": len(self.reply.runs) - 1, **fields}


def _block(kind: RunKind | None, text: str | GrowingText) -> Payload:
    if isinstance(kind, ToolCallStarted):
        return {"type": "tool_use", "id": kind.id, "name": kind.name, "input": _input(str(text))}
    if kind is Thought:
        return {"type": "thinking", "thinking": text, "signature": NO_SIGNATURE}
    return {"type": "text", "text": text}


def _input(arguments: str) -> Payload:
    """The arguments as an object; empty where they have not come, or were cut."""
    try:
        found = json.loads(arguments)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _usage_object(usage: Usage | None) -> Payload:
    """The counts; `input_tokens` of this format are the uncached ones only."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    payload: Payload = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    if usage.reasoning_tokens is not None:
        payload["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return payload


ACCEPTED: Final = NO_FUNCTIONS | {
    "container": (),
    "mcp_servers": ([],),
}


def read_request(body: object) -> ChatRequest:
    """The request in the decoded JSON. Raises BadRequest, which names the field.

    `max_tokens`, which Anthropic requires, may be absent here.
    """
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    _refuse_thread(request.within("thread"))
    output = request.within("output_config")
    output_format = read_output_format(output, "format")
    output_format = output_format or read_output_format(request, "output_format")  # its old name
    conversation = Conversation("messages")
    if request.get("system") is not None:
        conversation.systems.append(system_text(request, "system"))
    for message in request.objects("messages"):
        conversation.add_message(message)
    prompt = conversation.prompt()
    return build_chat_request(
        request,
        replace(prompt, options=read_options(request, prompt, output_format)),
        limits=("max_tokens",),
        effort=read_effort(output, "effort"),
    )


def _refuse_thread(thread: Fields) -> None:
    """Raise BadRequest (404) for a request that goes on from messages that Anthropic would hold.

    None are held here, which a vendor may do at any time: the SDKs then send the whole conversation
    (platform.claude.com, build-with-claude/message-threads).
    """
    if thread.get("type") == "continue":
        place = thread.place("previous_message_id")
        why = f"{place}: no thread is kept here; send the whole conversation"
        raise BadRequest(why, place, "thread_not_found", 404)
