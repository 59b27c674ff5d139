"""Responses as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deepreasoning_cli.pipeline.events import (
    REFUSED,
    TRUNCATED,
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

DELTAS: Final[Mapping[str, type[Thought | Text]]] = {
    "response.output_text.delta": Text,
    "response.refusal.delta": Text,
    "response.reasoning_text.delta": Thought,
    "response.reasoning_summary_text.delta": Thought,
}
PARTS: Final[Mapping[str, tuple[str, type[Thought | Text]]]] = {
    "output_text": ("text", Text),
    "refusal": ("refusal", Text),
    "reasoning_text": ("text", Thought),
    "summary_text": ("text", Thought),
}
ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


def request_body(
    prompt: Prompt,
    *,
    model: str,
    samplers: Mapping[str, float],
    stream: bool = True,
    extra: Mapping[str, Any] = {},
) -> Payload:
    """The request for `prompt`; `samplers` and `extra` become top-level fields as they are."""
    turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
    request: Payload = {"model": model, "input": turns, **samplers}
    if prompt.system:
        request["instructions"] = prompt.system
    if stream:
        request["stream"] = True
    return request | dict(extra)


def read_reply(
    payloads: Iterable[Payload], account: ApiAccount = UNNAMED_ACCOUNT
) -> Iterator[Chunk]:
    """The chunks of one reply, from its stream of events or one whole `response` object.

    Reasoning is taken from its raw text or from its summary, whichever of an item comes first;
    text that no delta brought is taken from the finished item, or from the last event. Usage and
    `End` come with `response.completed` (reason `completed`) or `response.incomplete` (the reason
    it gives); a reply that ends without either was cut. Raises what
    `errors.to_exception` makes of `response.failed` and `error`, in the words of `account`.
    """
    reply = _ResponsesReader(account)
    for payload in payloads:
        yield from reply.read(as_dict(payload))
        if reply.whole:
            return


@dataclass(slots=True)
class _ResponsesReader:
    """What is known of a reply while it is read.

    `text_events` tells by which event the text of an item came, `refused` that a refusal came.
    """

    account: ApiAccount
    model: str | None = None
    whole: bool = False
    refused: bool = False
    text_events: dict[int, str] = field(default_factory=dict)

    def read(self, payload: Payload) -> Iterator[Chunk]:
        kind = as_text(payload.get("type"))
        if details := error_in(payload):
            raise to_exception(details, self.account)
        if kind in DELTAS:
            yield from self._delta(kind, payload)
        elif kind == "response.output_item.done":
            yield from self._item(payload.get("output_index"), as_dict(payload.get("item")))
        elif kind in ENDS:
            yield from self._end(as_dict(payload.get("response")))
        elif payload.get("object") == "response":
            yield from self._end(payload)
        else:
            yield from self._served(as_dict(payload.get("response")))

    def _delta(self, kind: str, payload: Payload) -> Iterator[Chunk]:
        piece, index = as_text(payload.get("delta")), payload.get("output_index")
        if piece and self.text_events.setdefault(_number(index), kind) == kind:
            self.refused = self.refused or kind == "response.refusal.delta"
            yield DELTAS[kind](piece)

    def _item(self, index: object, item: Payload) -> Iterator[Chunk]:
        """The text of a finished item, if nothing of it came before."""
        if _number(index) in self.text_events:
            return
        for part in as_dicts(item.get("content")) or as_dicts(item.get("summary")):
            name, kind = PARTS.get(as_text(part.get("type")), ("", Text))
            if piece := as_text(part.get(name)):
                self.text_events[_number(index)] = "response.output_item.done"
                self.refused = self.refused or name == "refusal"
                yield kind(piece)

    def _served(self, response: Payload) -> Iterator[Chunk]:
        served = as_text(response.get("model"))
        if served and served != self.model:
            self.model = served
            yield ModelReported(served)

    def _end(self, response: Payload) -> Iterator[Chunk]:
        yield from self._served(response)
        for index, item in enumerate(as_dicts(response.get("output"))):
            yield from self._item(index, item)
        if usage := _read_usage(as_dict(response.get("usage"))):
            yield usage
        self.whole = True
        yield End(self._reason(response))

    def _reason(self, response: Payload) -> str:
        """Why it ended; a reply that is incomplete for a reason of no known name was cut."""
        details = as_dict(response.get("incomplete_details"))
        if response.get("status") != "incomplete" and not details:
            return "refusal" if self.refused else "completed"
        reason = as_text(details.get("reason"))
        return reason if reason in TRUNCATED | REFUSED else "max_output_tokens"


def _number(index: object) -> int:
    """An item's place; an item without one is the first."""
    return as_count(index) or 0


def _read_usage(usage: Payload) -> Usage | None:
    """The counts, if input and output are both given; two zeros mean that nobody counted.

    `input_tokens` includes cached ones and `output_tokens` the reasoning.
    """
    read, output = as_count(usage.get("input_tokens")), as_count(usage.get("output_tokens"))
    if read is None or output is None or not read + output:
        return None
    details = as_dict(usage.get("input_tokens_details"))
    cached = min(as_count(details.get("cached_tokens")) or 0, read)
    written = min(as_count(details.get("cache_write_tokens")) or 0, read - cached)
    reasoning = as_count(as_dict(usage.get("output_tokens_details")).get("reasoning_tokens"))
    return Usage(
        input_tokens=read,
        output_tokens=output,
        reasoning_tokens=None if reasoning is None else min(reasoning, output),
        cached_tokens=cached,
        cache_write_tokens=written,
    )
