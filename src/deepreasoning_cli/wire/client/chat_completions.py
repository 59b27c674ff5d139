"""Chat Completions as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import DONE, Chunk, End, Payload, Prompt, Text
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
    turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
    if prompt.system:
        turns.insert(0, {"role": "system", "content": prompt.system})
    request: Payload = {"model": model, "messages": turns, **samplers}
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
        answered = answered or isinstance(chunk, Text)
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

    def read(self, payloads: Iterable[Payload], account: ApiAccount) -> Iterator[Chunk]:
        try:
            for payload in map(as_dict, payloads):
                if payload == DONE:
                    self.done = True
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
        if refusal := as_text(delta.get("refusal")):
            self.refused = True
            yield Text(refusal)
        raise_for_error(chunk, account)
        self.finish_reason = as_reason(choice.get("finish_reason")) or self.finish_reason

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
