"""Messages as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.events import Chunk, End, Payload, Prompt, Served, Text, Thought
from deepreasoning_cli.money import Usage
from deepreasoning_cli.wire.failures import failure
from deepreasoning_cli.wire.messages.caching import content
from deepreasoning_cli.wire.shape import count, mapping, mappings, text

COUNTED = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)


def body(
    prompt: Prompt,
    *,
    model: str,
    max_tokens: int,
    samplers: Mapping[str, float],
    stream: bool = True,
    extra: Mapping[str, Any] = {},
    breakpoints: Collection[int] = (),
) -> Payload:
    """The request for `prompt`; `max_tokens` is required here and includes thinking.

    `samplers` and `extra` become top-level fields as they are: which of them a model takes is the
    catalog's knowledge. Behind `breakpoints` messages, 0 for the system prompt, the vendor is
    told to keep what it has read.
    """
    turns = [
        {"role": message.role, "content": content(message.text, marked=place in breakpoints)}
        for place, message in enumerate(prompt.messages, start=1)
    ]
    request: Payload = {"model": model, "max_tokens": max_tokens}
    if prompt.system:
        request["system"] = content(prompt.system, marked=0 in breakpoints)
    request |= {"messages": turns, **samplers}
    if stream:
        request["stream"] = True
    return request | dict(extra)


def read(payloads: Iterable[Payload]) -> Iterator[Chunk]:
    """The chunks of one reply, from its stream of events or one whole `message` object.

    Usage and `End` come with `message_stop`; a reply that ends without it was cut, and gets
    neither, because the counts given at its start are not those of its end. Raises for an `error`
    event, with the vendor's `error.type` as kind: ConfigError for a rejected key, RefusedError for
    a request that would fail again, UnavailableError for everything else.
    """
    reply = _Reply()
    for payload in payloads:
        yield from reply.take(mapping(payload))
        if reply.whole:
            break
    if reply.whole:
        if usage := reply.usage():
            yield usage
        yield End(reply.stop_reason)


@dataclass(slots=True)
class _Reply:
    """What is known of a reply while it is read."""

    model: str | None = None
    stop_reason: str | None = None
    whole: bool = False
    counts: dict[str, int] = field(default_factory=dict)

    def take(self, payload: Payload) -> Iterator[Chunk]:
        if payload.get("error") or payload.get("type") == "error":
            raise _failure(payload)
        match payload:
            case {"type": "content_block_delta", "delta": delta}:  # first, since most are
                yield from _pieces(delta)
            case {"type": "message_start", "message": message}:
                yield from self._message(mapping(message))
            case {"type": "message", "content": list()}:
                yield from self._message(payload)
                self.whole = True
            case {"type": "content_block_start", "content_block": block}:
                yield from _pieces(block)
            case {"type": "message_delta"}:
                self._state(mapping(payload.get("delta")), payload.get("usage"))
            case {"type": "message_stop"}:
                self.whole = True

    def _message(self, message: Payload) -> Iterator[Chunk]:
        served = text(message.get("model"))
        if served and served != self.model:
            self.model = served
            yield Served(served)
        for block in mappings(message.get("content")):
            yield from _pieces(block)
        self._state(message, message.get("usage"))

    def _state(self, source: Payload, usage: object) -> None:
        """Note the stop reason and the counts given: cumulative, and absent ones stay."""
        self.stop_reason = text(source.get("stop_reason")) or self.stop_reason
        given = {name: mapping(usage).get(name) for name in COUNTED}
        details = mapping(mapping(usage).get("output_tokens_details"))
        given["thinking_tokens"] = details.get("thinking_tokens")
        for name, value in given.items():
            if (tokens := count(value)) is not None:
                self.counts[name] = tokens

    def usage(self) -> Usage | None:
        """The counts, if input and output are both given; zeros mean that nobody counted.

        `input_tokens` of this format are the uncached ones only (api-facts.md, section 1.4).
        """
        fresh, output = self.counts.get("input_tokens"), self.counts.get("output_tokens")
        if fresh is None or output is None:
            return None
        written = self.counts.get("cache_creation_input_tokens", 0)
        cached = self.counts.get("cache_read_input_tokens", 0)
        if not fresh + written + cached + output:
            return None
        thinking = self.counts.get("thinking_tokens")
        return Usage(
            input_tokens=fresh + written + cached,
            output_tokens=output,
            reasoning_tokens=None if thinking is None else min(thinking, output),
            cached_tokens=cached,
            cache_write_tokens=written,
        )


def _pieces(block: object) -> Iterator[Chunk]:
    """The text of a content block or of a delta to one; signatures and other types have none."""
    match block:
        case {"type": "text" | "text_delta", "text": str(piece)} if piece:
            yield Text(piece)
        case {"type": "thinking" | "thinking_delta", "thinking": str(piece)} if piece:
            yield Thought(piece)


def _failure(payload: Payload) -> DeepReasoningError:
    error = payload.get("error")
    kind = text(mapping(error).get("type")) or "stream_error"
    return failure(error, kind=kind, request_id=text(payload.get("request_id")) or None)
