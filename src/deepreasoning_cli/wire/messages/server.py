"""Messages as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepreasoning_cli.events import Chunk, End, Payload, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire.reasons import for_messages
from deepreasoning_cli.wire.reply import Gathered, Head

NO_SIGNATURE = ""
"""A thinking block has to carry one, and only Anthropic can make one that Anthropic accepts."""


def write(chunks: Iterable[Chunk], head: Head) -> Iterator[Payload]:
    """The events of a reply: thinking and text blocks, a new one wherever the kind changes.

    Without `End` there is no `message_stop`: the reply was cut.
    """
    reply = Gathered(head.model)
    started = False
    for chunk in chunks:
        kind, block = _open_block(reply), len(reply.runs) - 1
        reply.take(chunk)
        if not started:
            started = True
            yield {"type": "message_start", "message": _message(head, reply.model, [])}
        match chunk:
            case Thought() | Text():
                if kind is not type(chunk):
                    yield from _closed(kind, block)
                    block += 1
                    content = _block(type(chunk), "")
                    yield _of(block, "content_block_start", content_block=content)
                yield _of(block, "content_block_delta", delta=_delta(chunk))
            case End():
                yield from _closed(kind, block)
                yield _ending(reply)
                yield {"type": "message_stop"}


def whole(chunks: Iterable[Chunk], head: Head) -> Payload:
    """The `message` object of a whole reply."""
    reply = Gathered.of(chunks, head)
    content = [_block(kind, "".join(texts)) for kind, texts in reply.runs]
    message = _message(head, reply.model, content)
    return message | {"stop_reason": for_messages(reply.reason), "usage": _usage(reply.usage)}


def _open_block(reply: Gathered) -> type[Thought | Text] | None:
    return reply.runs[-1][0] if reply.runs else None


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


def _block(kind: type[Thought | Text], text: str) -> Payload:
    if kind is Thought:
        return {"type": "thinking", "thinking": text, "signature": NO_SIGNATURE}
    return {"type": "text", "text": text}


def _delta(chunk: Thought | Text) -> Payload:
    if isinstance(chunk, Thought):
        return {"type": "thinking_delta", "thinking": chunk.text}
    return {"type": "text_delta", "text": chunk.text}


def _closed(kind: type[Thought | Text] | None, block: int) -> Iterator[Payload]:
    """The end of the open block, if there is one; a thinking block is signed first."""
    if kind is Thought:
        delta = {"type": "signature_delta", "signature": NO_SIGNATURE}
        yield _of(block, "content_block_delta", delta=delta)
    if kind is not None:
        yield _of(block, "content_block_stop")


def _of(block: int, name: str, **fields: Payload) -> Payload:
    return {"type": name, "index": block, **fields}


def _ending(reply: Gathered) -> Payload:
    delta = {"stop_reason": for_messages(reply.reason), "stop_sequence": None}
    return {"type": "message_delta", "delta": delta, "usage": _usage(reply.usage)}


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
