"""Completions, the oldest format of OpenAI's, on the server's side: text in, text out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from deepreasoning_cli.pipeline.events import (
    DONE,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.wire.server.answer_options import read_options
from deepreasoning_cli.wire.server.conversation import Conversation
from deepreasoning_cli.wire.server.errors import ApiError, openai_envelope
from deepreasoning_cli.wire.server.request import ChatRequest, Fields, build_chat_request
from deepreasoning_cli.wire.server.writer import (
    Part,
    ReplyWriter,
    openai_usage,
    to_finish_reason,
)


class CompletionsWriter(ReplyWriter):
    """Writes `text_completion` objects, streamed and whole alike: the text, and nothing else."""

    left_out = (Thought, ToolCallStarted, ToolArguments)

    def feed(self, part: Part) -> list[Payload]:
        """The events for one more part; none for what is left out."""
        return [] if isinstance(part, self.left_out) else super().feed(part)

    def frames(self, part: Part) -> bytes:
        """The bytes of `feed(part)`."""
        return b"" if isinstance(part, self.left_out) else super().frames(part)

    def whole(self) -> Payload:
        """The object of a reply that is not streamed."""
        reason = to_finish_reason(self.reply.reason)
        usage = {"usage": self._usage(self.reply.usage)} if self.reply.usage else {}
        return self._object(self.reply.text_of(Text), reason) | usage

    def _start_reply(self) -> Iterable[Payload]:
        return ()

    def _start_block(self) -> Iterable[Payload]:
        return ()

    def _delta(self, text: str) -> Payload:
        return self._object(text)

    def _end_reply(self) -> Iterable[Payload]:
        yield self._object("", to_finish_reason(self.reply.reason))
        if self.reply.usage and self.include_usage:
            yield self._object("") | {"choices": [], "usage": self._usage(self.reply.usage)}
        yield DONE

    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        yield openai_envelope(failure)

    def _object(self, text: str | GrowingText, finish_reason: str | None = None) -> Payload:
        choice = {"index": 0, "text": text, "finish_reason": finish_reason, "logprobs": None}
        return {
            "id": f"cmpl-{self.head.id}",
            "object": "text_completion",
            "created": self.head.created,
            "model": self.reply.model,
            "choices": [choice],
        }

    def _usage(self, usage: Usage) -> Payload:
        payload = openai_usage(usage, "prompt", "completion") | self.reply.cost_fields
        if usage.reasoning_tokens is not None:
            payload["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
        return payload


ACCEPTED: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "tools": ([],),
}


def read_request(body: object) -> ChatRequest:
    """The request in the decoded JSON. Raises BadRequest, which names the field."""
    request = Fields.of(body)
    request.reject_unless(ACCEPTED)
    include_usage = request.within("stream_options").boolean("include_usage")
    conversation = Conversation("prompt")
    conversation.add("user", [_read_prompt(request)])
    prompt = conversation.prompt()
    return build_chat_request(
        request,
        replace(prompt, options=read_options(request, prompt, None)),
        limits=("max_tokens",),
        include_usage=bool(include_usage),
    )


def _read_prompt(request: Fields) -> str:
    """One text. Several would be several replies, and token ids are those of another's models."""
    given = request.get("prompt")
    if isinstance(given, list) and len(given) == 1 and isinstance(given[0], str):
        return Fields({"prompt": given[0]}).text("prompt") or ""
    if isinstance(given, list):
        why = "must be one text: in the client, ask for one completion at a time"
        request.refuse("prompt", why, "unsupported_value")
    return request.text("prompt") or request.refuse("prompt", "is required")
