"""Messages as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepreasoning_cli.events import Chunk, Payload, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire import writer
from deepreasoning_cli.wire.reasons import for_messages
from deepreasoning_cli.wire.refusal import Failure, anthropic_envelope
from deepreasoning_cli.wire.reply import Cost, Gathered, Head
from deepreasoning_cli.wire.writer import Part

envelope = anthropic_envelope

NO_SIGNATURE = ""
"""A thinking block has to carry one, and only Anthropic can make one that Anthropic accepts."""


class Writer(writer.Writer):
    """Writes thinking and text blocks, a new one wherever the kind changes."""

    def _head(self) -> Iterable[Payload]:
        yield {"type": "message_start", "message": _message(self.head, self.reply.model, [])}

    def _opened(self) -> Iterable[Payload]:
        yield self._event("content_block_start", content_block=_block(self.reply.kind, ""))

    def _delta(self, text: str) -> Payload:
        name = "thinking" if self.reply.kind is Thought else "text"
        return self._event("content_block_delta", delta={"type": f"{name}_delta", name: text})

    def _closed(self) -> Iterable[Payload]:
        if self.reply.kind is Thought:
            delta = {"type": "signature_delta", "signature": NO_SIGNATURE}
            yield self._event("content_block_delta", delta=delta)
        if self.reply.kind:
            yield self._event("content_block_stop")

    def _finished(self) -> Iterable[Payload]:
        delta = {"stop_reason": for_messages(self.reply.reason), "stop_sequence": None}
        usage = _usage(self.reply.usage) | self.reply.priced
        yield {"type": "message_delta", "delta": delta, "usage": usage}
        yield {"type": "message_stop"}

    def _broken(self, failure: Failure) -> Iterable[Payload]:
        yield anthropic_envelope(failure)

    def _event(self, name: str, **fields: Payload) -> Payload:
        """An event of the open block."""
        return {"type": name, "index": len(self.reply.runs) - 1, **fields}


def write(parts: Iterable[Part], head: Head) -> Iterator[Payload]:
    """The events of a reply. Without `End` there is no `message_stop`: the reply was cut."""
    return Writer(head).written(parts)


def whole(chunks: Iterable[Chunk | Cost], head: Head) -> Payload:
    """The `message` object of a whole reply."""
    reply = Gathered.of(chunks, head)
    content = [_block(kind, "".join(texts)) for kind, texts in reply.runs]
    message = _message(head, reply.model, content)
    usage = _usage(reply.usage) | reply.priced
    return message | {"stop_reason": for_messages(reply.reason), "usage": usage}


def _message(head: Head, model: str, content: list[Payload]) -> Payload:
    return {
        "id": f"msg_{head.id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(None),
    }


def _block(kind: type[Thought | Text] | None, text: str) -> Payload:
    if kind is Thought:
        return {"type": "thinking", "thinking": text, "signature": NO_SIGNATURE}
    return {"type": "text", "text": text}


def _usage(usage: Usage | None) -> Payload:
    """The counts; `input_tokens` of this format are the uncached ones only."""
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    said: Payload = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
    }
    if usage.reasoning_tokens is not None:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return said
