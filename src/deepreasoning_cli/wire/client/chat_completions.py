"""Chat Completions as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    Payload,
    Prompt,
    Text,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.wire.client.errors import UNNAMED_ACCOUNT, ApiAccount, raise_for_error
from deepreasoning_cli.wire.client.payload import (
    ReplyReader,
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
    samplers: Mapping[str, float],
    max_tokens: int | None = None,
    extra: Mapping[str, Any] = {},
) -> Payload:
    """The request for `prompt`; `max_tokens` includes the reasoning on most hosts.

    `samplers` and `extra` become top-level fields as they are.
    """
    turns: list[Payload] = []
    if prompt.system:
        turns.append({"role": "system", "content": prompt.system})
    for message in prompt.messages:
        if message.parts:
            from deepreasoning_cli.wire.client.tool_fields import chat_messages

            turns += chat_messages(message)
        else:
            turns.append({"role": message.role, "content": message.text})
    request: Payload = {"model": model, "messages": turns, **samplers}
    if prompt.options:
        from deepreasoning_cli.wire.client.tool_fields import chat_options

        request |= chat_options(prompt.options)
    if max_tokens is not None:
        request["max_tokens"] = max_tokens
    return request | {"stream": True, "stream_options": {"include_usage": True}, **extra}


def read_reply(
    payloads: Iterable[Payload],
    account: ApiAccount = UNNAMED_ACCOUNT,
    *,
    opens_thinking: bool = False,
) -> Iterator[Chunk]:
    """The chunks of one reply, from its `chat.completion.chunk` objects or one `chat.completion`.

    Usage comes once, near the end; `End` comes last, and only if a finish reason was given or
    `[DONE]` followed some answer: a reply without it was cut. `opens_thinking` says that this
    host omits the opening `<think>`. Raises what `errors.to_exception` makes of an error that the
    server reports, in the words of `account`; one after the finish reason costs only the usage.
    """
    rest = iter(payloads)
    first = list(islice(rest, 1))  # the request is out: now there is time to import what reads
    from deepreasoning_cli.wire.client.think import delta_pieces, split_thinking

    reply = _ChatCompletionsReader(pieces=delta_pieces)
    answered = False
    chunks = reply.read(chain(first, rest), account)
    for chunk in split_thinking(chunks, opens_thinking=opens_thinking):
        answered = answered or isinstance(chunk, Text | ToolCallStarted)
        yield chunk
    if usage := as_usage(reply.counts):
        yield usage
    if reply.finish_reason or (reply.done and answered):
        yield End("refusal" if reply.refused else reply.finish_reason)


@dataclass(slots=True, kw_only=True)
class _ChatCompletionsReader(ReplyReader):
    pieces: Callable[[Payload], Iterator[Chunk]]
    counts: Payload = field(default_factory=dict)
    finish_reason: str | None = None
    done: bool = False
    refused: bool = False
    index: object = None  # of the choice that is read: a second one is another reply
    call: tuple[object, str] | None = None
    """The index and id of the call whose arguments come now."""
    has_arguments: bool = False
    """Whether a piece of them came."""

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        try:
            for payload in map(as_dict, payloads):
                if payload == DONE:
                    self.done = True
                    yield from self._end_of_call()
                    return
                yield from self._chunk(payload, account)
        except DeepReasoningError:
            if self.finish_reason is None:
                raise

    def _chunk(self, chunk: Payload, account: ApiAccount) -> Iterator[Chunk]:
        if chunk.get("model") != self.model:
            yield from self.served_by(chunk.get("model"))
        choice = self._choice(chunk.get("choices"))
        self._count(chunk, choice)
        # a few hosts send the message so far next to each delta: only the delta is new
        delta = choice.get("delta")
        delta = as_dict(choice.get("message") if delta is None else delta)
        yield from self.pieces(delta)
        if calls := delta.get("tool_calls"):
            yield from self._calls(as_dicts(calls))
        if refusal := as_text(delta.get("refusal")):
            self.refused = True
            yield Text(refusal)
        raise_for_error(chunk, account)
        self.finish_reason = as_reason(choice.get("finish_reason")) or self.finish_reason
        if self.finish_reason:
            yield from self._end_of_call()

    def _calls(self, calls: list[Payload]) -> Iterator[Chunk]:
        """The pieces of calls: one begins where there is another index, or another id."""
        for place, call in enumerate(calls):
            function = as_dict(call.get("function"))
            index, call_id = call.get("index", place), as_text(call.get("id"))
            if self.call is None or index != self.call[0] or call_id not in ("", self.call[1]):
                yield from self._end_of_call()
                self.call = (index, call_id)
                name = as_text(function.get("name"))
                yield ToolCallStarted(call_id or f"call_{index}", name)
            arguments = function.get("arguments")
            if isinstance(arguments, dict):  # Ollama's own
                arguments = json.dumps(arguments)
            if piece := as_text(arguments):
                self.has_arguments = True
                yield ToolArguments(piece)

    def _end_of_call(self) -> Iterator[Chunk]:
        if self.call and not self.has_arguments:
            yield ToolArguments("{}")
        self.call, self.has_arguments = None, False

    def _count(self, chunk: Payload, choice: Payload) -> None:
        """Note the counts: beside the choices, as most are, in the choice, or in the chunk."""
        for usage in (chunk.get("usage"), choice.get("usage"), chunk.get("x_groq")):
            if usage:
                merge_usage(self.counts, as_dict(usage).get("usage", usage))
        if "completion_tokens" in chunk or "eval_count" in chunk:
            merge_usage(self.counts, chunk)

    def _choice(self, choices: object) -> Payload:
        """The part of the first choice in a chunk; empty where the chunk is another one's."""
        found = as_dicts(choices)
        if self.index is None:
            first = next(filter(_has_news, found), None)
            self.index = first.get("index", 0) if first else None
        return next((each for each in found if each.get("index", self.index) == self.index), {})


def _has_news(choice: Payload) -> bool:
    return bool(choice.get("delta") or choice.get("message") or choice.get("finish_reason"))
