"""Chat Completions as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    ModelReported,
    Payload,
    Prompt,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.wire.client.errors import (
    UNNAMED_ACCOUNT,
    ApiAccount,
    error_in,
    to_exception,
)
from deepreasoning_cli.wire.client.payload import as_count, as_dict, as_dicts, as_text
from deepreasoning_cli.wire.client.think import ThinkSplitter

REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Where hosts put the chain of thought, the same text at times under several names at once."""


def request_body(
    prompt: Prompt,
    *,
    model: str,
    samplers: Mapping[str, float],
    max_tokens: int | None = None,
    stream: bool = True,
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
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    return request | dict(extra)


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
    reply = _ChatCompletionsReader(ThinkSplitter(opens_thinking), account)
    try:
        for payload in payloads:
            if payload == DONE:
                reply.done = True
                break
            yield from reply.read(payload)
    except DeepReasoningError:
        if reply.finish_reason is None:
            yield from reply.parts(reply.splitter.close())
            raise
    yield from reply.parts(reply.splitter.close())
    if reply.usage:
        yield reply.usage
    if reply.finish_reason or (reply.done and reply.answered):
        yield End(reply.finish_reason)


@dataclass(slots=True)
class _ChatCompletionsReader:
    """What is known of a reply while it is read."""

    splitter: ThinkSplitter
    account: ApiAccount
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    answered: bool = False
    done: bool = False

    def read(self, payload: object) -> Iterator[Chunk]:
        chunk = as_dict(payload)
        served = as_text(chunk.get("model"))
        if served and served != self.model:
            self.model = served
            yield ModelReported(served)
        self.usage = _read_usage(as_dict(chunk.get("usage"))) or self.usage
        choice = next(iter(as_dicts(chunk.get("choices"))), {})
        # a few hosts send the message so far next to each delta: only the delta is new
        delta = choice.get("delta")
        yield from self._delta(as_dict(choice.get("message") if delta is None else delta))
        finish_reason = as_text(choice.get("finish_reason"))
        if details := error_in(chunk):
            raise to_exception(details, self.account)
        self.finish_reason = finish_reason or self.finish_reason

    def _delta(self, delta: Payload) -> Iterator[Chunk]:
        if reasoning := _reasoning(delta):
            yield from self.parts(self.splitter.separate())
            yield Thought(reasoning)
        yield from self.parts(self.splitter.feed(_content(delta.get("content"))))

    def parts(self, pieces: Iterable[Thought | Text]) -> Iterator[Chunk]:
        for piece in pieces:
            self.answered = self.answered or isinstance(piece, Text)
            yield piece


def _reasoning(delta: Payload) -> str:
    fields = (as_text(delta.get(name)) for name in REASONING_FIELDS)
    details = as_dicts(delta.get("reasoning_details"))
    return next(filter(None, fields), "") or "".join(as_text(item.get("text")) for item in details)


def _content(content: object) -> str:
    parts = (part for part in as_dicts(content) if part.get("type") == "text")
    return as_text(content) or "".join(as_text(part.get("text")) for part in parts)


def _read_usage(usage: Payload) -> Usage | None:
    """The counts, if prompt and completion are both given; two zeros mean that nobody counted.

    `prompt_tokens` includes cached ones and `completion_tokens` the reasoning; DeepSeek has its
    own name for the cached ones (api-facts.md, section 2.6).
    """
    prompt = as_count(usage.get("prompt_tokens"))
    completion = as_count(usage.get("completion_tokens"))
    if prompt is None or completion is None or not prompt + completion:
        return None
    cached = as_count(as_dict(usage.get("prompt_tokens_details")).get("cached_tokens"))
    if cached is None:
        cached = as_count(usage.get("prompt_cache_hit_tokens"))
    cached = min(cached or 0, prompt)
    written = as_count(as_dict(usage.get("prompt_tokens_details")).get("cache_write_tokens"))
    reasoning = as_count(as_dict(usage.get("completion_tokens_details")).get("reasoning_tokens"))
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        reasoning_tokens=None if reasoning is None else min(reasoning, completion),
        cached_tokens=cached,
        cache_write_tokens=min(written or 0, prompt - cached),
    )
