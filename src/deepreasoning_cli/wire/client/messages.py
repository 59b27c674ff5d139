"""Messages as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Payload,
    Prompt,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client.errors import UNNAMED_ACCOUNT, ApiAccount, raise_for_error
from deepreasoning_cli.wire.client.payload import (
    ReplyReader,
    as_count,
    as_dict,
    as_dicts,
    as_reason,
    as_text,
    as_usage,
    merge_usage,
)


def request_body(
    prompt: Prompt,
    *,
    model: str,
    max_tokens: int,
    samplers: Mapping[str, float],
    extra: Mapping[str, Any] = {},
    breakpoints: Collection[int] = (),
) -> Payload:
    """The request for `prompt`; `max_tokens` is required here and includes thinking.

    `samplers` and `extra` become top-level fields as they are: which of them a model takes is the
    catalog's knowledge. Behind `breakpoints` messages, 0 for the system prompt, the vendor is
    told to keep what it has read.
    """
    turns: list[Payload] = []
    for place, message in enumerate(prompt.messages, start=1):
        marked = place in breakpoints
        content: object = message_content(message.text, marked=marked)
        if message.parts:
            from deepreasoning_cli.wire.client.tool_fields import content_blocks

            content = content_blocks(message.parts)
            if marked:
                content[-1] |= CACHE_CONTROL
        turns.append({"role": message.role, "content": content})
    request: Payload = {"model": model, "max_tokens": max_tokens}
    if prompt.options:
        from deepreasoning_cli.wire.client.tool_fields import messages_options

        request |= messages_options(prompt.options)
        output = request.get("output_config", {}) | extra.get("output_config", {})
        extra = {**extra, **({"output_config": output} if output else {})}
    if system := _system(prompt):
        request["system"] = message_content(system, marked=0 in breakpoints)
    return request | {"messages": turns, **samplers, "stream": True, **extra}


JSON_ALONE: Final = "Answer with one JSON object alone: no text around it, no code fence."
"""Claude can be held to a schema, but not to JSON as such."""


def _system(prompt: Prompt) -> str | None:
    output = prompt.options.output_format if prompt.options else None
    if output is None or output.schema is not None:
        return prompt.system
    return f"{prompt.system}\n\n{JSON_ALONE}" if prompt.system else JSON_ALONE


def read_reply(
    payloads: Iterable[Payload], account: ApiAccount = UNNAMED_ACCOUNT
) -> Iterator[Chunk]:
    """The chunks of one reply, from its stream of events or one whole `message` object.

    Usage and `End` come with `message_stop`, or where a stop reason was given and nothing but
    pings, an error or the end of the stream follows. A reply without either was cut, and gets
    neither, because the counts given at its start are not those of its end. Raises what
    `errors.to_exception` makes of an `error` event, in the words of `account`.
    """
    reply = _MessagesReader()
    try:
        for payload in map(as_dict, payloads):
            raise_for_error(payload, account)
            if payload.get("type") == "content_block_delta":  # as most are
                for piece in _pieces(payload.get("delta")):
                    if not isinstance(piece, ToolArguments) or reply.takes_arguments():
                        yield piece
                continue
            yield from reply.read(payload)
            if reply.complete:
                break
    except DeepReasoningError:
        if reply.stop_reason is None:
            raise
    if reply.complete or reply.stop_reason:
        if usage := reply.usage():
            yield usage
        yield End(reply.stop_reason, reply.details)


@dataclass(slots=True)
class _MessagesReader(ReplyReader):
    stop_reason: str | None = None
    details: str = ""
    complete: bool = False
    arguments: str | None = None
    """What the open call began with; empty once pieces came, None while no call is open."""
    counts: dict[str, Any] = field(default_factory=dict)
    counted: bool = False
    """Whether the counts are those of the end: `message_start` has but the first token."""

    def read(self, payload: Payload) -> Iterator[Chunk]:
        match payload:
            case {"type": "message_start", "message": dict(message)}:
                yield from self._message(message)
                merge_usage(self.counts, message.get("usage"))
            case {"type": "message", "content": list()}:
                yield from self._message(payload)
                self._state(payload, payload.get("usage"))
                self.complete = True
            case {"type": "content_block_start", "content_block": block}:
                yield from self._block(block)
            case {"type": "content_block_stop"}:
                yield from self._end_of_block()
            case {"type": "message_delta"}:
                delta = as_dict(payload.get("delta"))
                self._state(delta, payload.get("usage") or delta.get("usage"))
            case {"type": "message_stop"}:
                self._state({}, payload.get("usage"))
                self.complete = True
            case {"type": "ping"} if self.stop_reason:
                self.complete = True

    def _message(self, message: Payload) -> Iterator[Chunk]:
        yield from self.served_by(message.get("model"))
        for block in as_dicts(message.get("content")):
            yield from self._block(block)
            yield from self._end_of_block()

    def _block(self, block: object) -> Iterator[Chunk]:
        """What the beginning of a block has; a few hosts put a call's whole input there."""
        if as_dict(block).get("type") == "tool_use":
            self.arguments = json.dumps(as_dict(as_dict(block).get("input")))
        yield from _pieces(block)

    def takes_arguments(self) -> bool:
        """Whether a call is open; its arguments come piece by piece from now on."""
        if self.arguments:
            self.arguments = ""
        return self.arguments is not None

    def _end_of_block(self) -> Iterator[Chunk]:
        if self.arguments:
            yield ToolArguments(self.arguments)
        self.arguments = None

    def _state(self, source: Payload, usage: object) -> None:
        """Note the stop reason and the counts given: cumulative, and absent ones stay."""
        self.stop_reason = as_reason(source.get("stop_reason")) or self.stop_reason
        details = as_dict(source.get("stop_details"))  # api-facts.md, section 1.5
        said = (as_text(details.get(name)) for name in ("category", "explanation"))
        self.details = ": ".join(filter(None, said)) or self.details
        self.counted = self.counted or as_count(as_dict(usage).get("output_tokens")) is not None
        merge_usage(self.counts, usage)

    def usage(self) -> Usage | None:
        """The counts: `input_tokens` of this format are the uncached ones (api-facts.md, 1.4)."""
        return as_usage(self.counts, cached_apart=True, at_end=self.counted)


def _pieces(block: object) -> tuple[Chunk, ...]:
    """The text of a content block or of a delta to one; signatures and other types have none."""
    fields = as_dict(block)
    kind = fields.get("type")
    if kind in ("text_delta", "text"):
        piece = as_text(fields.get("text"))
        return (Text(piece),) if piece else ()
    if kind == "thinking_delta":
        piece = as_text(fields.get("thinking"))
        return (Thought(piece),) if piece else ()
    if kind == "input_json_delta":
        piece = as_text(fields.get("partial_json"))
        return (ToolArguments(piece),) if piece else ()
    if kind == "tool_use":
        return (ToolCallStarted(as_text(fields.get("id")), as_text(fields.get("name"))),)
    from deepreasoning_cli.wire.client.think import part_pieces  # a block: there are few of them

    return tuple(piece for piece in part_pieces(block) if not isinstance(piece, Text))


CACHE_CONTROL: Final[Payload] = {"cache_control": {"type": "ephemeral"}}
"""On a block: all up to here is kept for five minutes from its last use (api-facts.md, 1.10)."""


def cache_breakpoints(prompt: Prompt, minimum: int | None) -> tuple[int, ...]:
    """Behind how many messages a mark belongs, rising; 0 stands for behind the system prompt.

    None where less than `minimum` tokens, by the estimate, stand before it: that would not be
    kept. None at all for a prompt that is sent once, and where `minimum` is unknown.
    """
    if prompt.stable is None or minimum is None:
        return ()
    places = dict.fromkeys((0, prompt.stable))
    return tuple(place for place in places if tokens_before(prompt, place) >= minimum)


def tokens_before(prompt: Prompt, place: int) -> int:
    """The estimated tokens of the tools, the system prompt and the first `place` messages."""
    before = Prompt(prompt.messages[:place], prompt.system, options=prompt.options)
    return before.tokens


def is_marked(request: Payload) -> bool:
    """Whether the vendor is told to keep a part of what it reads."""
    return request != unmarked(request)


def unmarked(request: Payload) -> Payload:
    """The request without marks: a content that is one text is that text again."""

    def plain(content: Any) -> Any:
        match content:
            case [{"type": "text", "text": text}]:
                return text
            case [*blocks]:
                return [
                    {name: block[name] for name in block if name not in CACHE_CONTROL}
                    for block in blocks
                ]
        return content

    turns = [turn | {"content": plain(turn["content"])} for turn in request["messages"]]
    system = {"system": plain(request["system"])} if "system" in request else {}
    return request | system | {"messages": turns}


def message_content(text: str, *, marked: bool) -> str | list[Payload]:
    """A text as the format has it: plain, or one block that carries the mark."""
    return [{"type": "text", "text": text} | CACHE_CONTROL] if marked else text
