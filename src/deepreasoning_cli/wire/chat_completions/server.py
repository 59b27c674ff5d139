"""Chat Completions as a server speaks it: write a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deepreasoning_cli.events import DONE, Chunk, End, Payload, Served, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire.reasons import for_chat_completions
from deepreasoning_cli.wire.reply import Gathered, Head


def write(chunks: Iterable[Chunk], head: Head, *, include_usage: bool = True) -> Iterator[Payload]:
    """The `chat.completion.chunk` objects of a reply, then `DONE`.

    The chain of thought goes into `reasoning_content`. Without `End` there is no finish reason and
    no `DONE`: the reply was cut. `include_usage` is what the client asked for in `stream_options`.
    """
    model, role, usage = head.model, {"role": "assistant", "content": ""}, None
    for chunk in chunks:
        match chunk:
            case Served(model):
                pass
            case Usage():
                usage = chunk
        delta = _delta(chunk)
        if role or delta:
            yield _chunk(head, model, role | delta)
            role = {}
        if isinstance(chunk, End):
            yield _chunk(head, model, {}, for_chat_completions(chunk.reason))
            if usage and include_usage:
                yield _envelope(head, model) | {"choices": [], "usage": _usage(usage)}
            yield DONE


def whole(chunks: Iterable[Chunk], head: Head) -> Payload:
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
    return said | ({"usage": _usage(reply.usage)} if reply.usage else {})


def _delta(chunk: Chunk) -> dict[str, str]:
    match chunk:
        case Thought(text):
            return {"reasoning_content": text}
        case Text(text):
            return {"content": text}
        case _:
            return {}


def _envelope(head: Head, model: str) -> Payload:
    return {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion.chunk",
        "created": head.created,
        "model": model,
    }


def _chunk(head: Head, model: str, delta: Payload, finish_reason: str | None = None) -> Payload:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
    return _envelope(head, model) | {"choices": [choice], "usage": None}


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
