"""Chat Completions as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from deepreasoning_cli.events import DONE, Chunk, Payload, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire import writer
from deepreasoning_cli.wire.reasons import for_chat_completions
from deepreasoning_cli.wire.refusal import Failure, openai_envelope
from deepreasoning_cli.wire.reply import Cost, Gathered, Head
from deepreasoning_cli.wire.writer import Part

envelope = openai_envelope

NAMES: Final[Mapping[type[Thought | Text], str]] = {
    Thought: "reasoning_content",
    Text: "content",
}


class Writer(writer.Writer):
    """Writes `chat.completion.chunk` objects; the chain of thought is `reasoning_content`.

    `include_usage` is what the client asked for in `stream_options`.
    """

    def __init__(self, head: Head, *, include_usage: bool = True) -> None:
        super().__init__(head)
        self.include_usage = include_usage

    def _head(self) -> Iterable[Payload]:
        yield self._chunk({"role": "assistant", "content": ""})

    def _delta(self, text: str) -> Payload:
        return self._chunk({NAMES[self.reply.kind or Text]: text})

    def _finished(self) -> Iterable[Payload]:
        yield self._chunk({}, for_chat_completions(self.reply.reason))
        if self.reply.usage and self.include_usage:
            usage = _usage(self.reply.usage) | self.reply.priced
            yield _envelope(self.head, self.reply.model) | {"choices": [], "usage": usage}
        yield DONE

    def _broken(self, failure: Failure) -> Iterable[Payload]:
        yield openai_envelope(failure)

    def _chunk(self, delta: Payload, finish_reason: str | None = None) -> Payload:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        envelope = _envelope(self.head, self.reply.model)
        return envelope | {"choices": [choice], "usage": None}


def write(parts: Iterable[Part], head: Head, *, include_usage: bool = True) -> Iterator[Payload]:
    """The `chat.completion.chunk` objects of a reply, then `DONE`.

    Without `End` there is no finish reason and no `DONE`: the reply was cut.
    """
    return Writer(head, include_usage=include_usage).written(parts)


def whole(chunks: Iterable[Chunk | Cost], head: Head) -> Payload:
    """The `chat.completion` object of a whole reply."""
    reply = Gathered.of(chunks, head)
    message: Payload = {"role": "assistant", "content": reply.joined(Text), "refusal": None}
    if thoughts := reply.joined(Thought):
        message["reasoning_content"] = thoughts
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": for_chat_completions(reply.reason),
        "logprobs": None,
    }
    said = _envelope(head, reply.model) | {"object": "chat.completion", "choices": [choice]}
    return said | ({"usage": _usage(reply.usage) | reply.priced} if reply.usage else {})


def _envelope(head: Head, model: str) -> Payload:
    return {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": model,
    }


def _usage(usage: Usage) -> Payload:
    said: Payload = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
    }
    if usage.reasoning_tokens is not None:
        said["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return said
