"""Responses as a client speaks it: build a request, read a streamed or a whole reply."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of
from deepreasoning_cli.wire.client.errors import UNNAMED_ACCOUNT, ApiAccount, raise_for_error
from deepreasoning_cli.wire.client.payload import ReplyReader, as_dict, as_dicts, as_text, as_usage
from deepreasoning_cli.wire.client.think import nested_text

DELTAS: Final[Mapping[str, type[events.Thought | events.Text | events.ToolArguments]]] = {
    "response.function_call_arguments.delta": events.ToolArguments,
    "response.output_text.delta": events.Text,
    "response.refusal.delta": events.Text,
    "response.reasoning_text.delta": events.Thought,
    "response.reasoning_summary_text.delta": events.Thought,
}
REASONING_DELTA: Final = re.compile(r"response\.reasoning\w*\.delta")
PARTS: Final[Mapping[str, tuple[str, type[events.Thought | events.Text]]]] = {
    "output_text": ("text", events.Text),
    "refusal": ("refusal", events.Text),
    "reasoning_text": ("text", events.Thought),
    "summary_text": ("text", events.Thought),
}


CUTS: Final = frozenset({Ending.TRUNCATED, Ending.REFUSED, Ending.PAUSED, Ending.BROKEN})


def request_body(
    prompt: events.Prompt,
    *,
    model: str,
    samplers: Mapping[str, float],
    extra: Mapping[str, Any] = {},
) -> events.Payload:
    """The request for `prompt`; `samplers` and `extra` become top-level fields as they are."""
    turns = [{"role": message.role, "content": message.text} for message in prompt.messages]
    request: events.Payload = {"model": model, "input": turns, **samplers}
    if prompt.system:
        request["instructions"] = prompt.system
    return request | {"stream": True, **extra}


def read_reply(
    payloads: Iterable[events.Payload], account: ApiAccount = UNNAMED_ACCOUNT
) -> Iterator[events.Chunk]:
    """The chunks of one reply, from its stream of events or one whole `response` object.

    Reasoning is taken from its raw text or from its summary, whichever of an item comes first;
    text that no delta brought is taken from the finished item, or from the last event. Usage and
    `End` come with `response.completed` (reason `completed`) or `response.incomplete` (the reason
    it gives); a reply that ends without either was cut. Raises what
    `errors.to_exception` makes of `response.failed` and `error`, in the words of `account`.
    """
    reply = _ResponsesReader()
    for payload in map(as_dict, payloads):
        raise_for_error(payload, account)
        yield from reply.read(payload)
        if reply.complete:
            return


@dataclass(slots=True)
class _ResponsesReader(ReplyReader):
    """`text_events` holds, by item, the kind of event that its text came with."""

    complete: bool = False
    refused: bool = False
    text_events: dict[int, str] = field(default_factory=dict)
    calls: set[int] = field(default_factory=set)

    def read(self, payload: events.Payload) -> Iterator[events.Chunk]:
        kind = as_text(payload.get("type"))
        if kind in DELTAS or REASONING_DELTA.fullmatch(kind):
            yield from self._delta(kind, payload)
        elif kind == "response.output_item.added":
            yield from self._call(payload.get("output_index"), as_dict(payload.get("item")))
        elif kind == "response.output_item.done":
            yield from self._item(payload.get("output_index"), as_dict(payload.get("item")))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            yield from self._end(as_dict(payload.get("response")))
        elif payload.get("object") == "response":
            yield from self._end(payload)
        else:
            yield from self.served_by(as_dict(payload.get("response")).get("model"))

    def _delta(self, kind: str, payload: events.Payload) -> Iterator[events.Chunk]:
        piece, index = nested_text(payload.get("delta")), payload.get("output_index")
        if piece and self.text_events.setdefault(_number(index), kind) == kind:
            self.refused = self.refused or kind == "response.refusal.delta"
            yield DELTAS.get(kind, events.Thought)(piece)

    def _item(self, index: object, item: events.Payload) -> Iterator[events.Chunk]:
        """The text of a finished item, if nothing of it came before."""
        if _number(index) in self.text_events:
            return
        if item.get("type") == "function_call":
            yield from self._call(index, item)
            self.text_events[_number(index)] = "response.output_item.done"
            yield events.ToolArguments(as_text(item.get("arguments")) or "{}")
            return
        if item.get("type") == "reasoning":
            yield from self._reasoning(index, item)
            return
        for part in as_dicts(item.get("content")):
            name, kind = PARTS.get(as_text(part.get("type")), ("", events.Text))
            if piece := as_text(part.get(name)):
                self.text_events[_number(index)] = "response.output_item.done"
                self.refused = self.refused or name == "refusal"
                yield kind(piece)

    def _call(self, index: object, item: events.Payload) -> Iterator[events.Chunk]:
        """The beginning of a call, once."""
        if item.get("type") == "function_call" and _number(index) not in self.calls:
            self.calls.add(_number(index))
            call_id, name = as_text(item.get("call_id")), as_text(item.get("name"))
            yield events.ToolCallStarted(call_id, name)

    def _reasoning(self, index: object, item: events.Payload) -> Iterator[events.Chunk]:
        piece = nested_text(item.get("content")) or nested_text(item.get("summary"))
        if piece or item.get("encrypted_content"):
            self.text_events[_number(index)] = "response.output_item.done"
            yield events.Thought(piece) if piece else events.HiddenThought()

    def _end(self, response: events.Payload) -> Iterator[events.Chunk]:
        yield from self.served_by(response.get("model"))
        for index, item in enumerate(as_dicts(response.get("output"))):
            yield from self._item(index, item)
        if usage := as_usage(response.get("usage")):
            yield usage
        self.complete = True
        yield events.End(self._reason(response))

    def _reason(self, response: events.Payload) -> str:
        """Why it ended; a reply that is incomplete for a reason of no known name was cut."""
        details = as_dict(response.get("incomplete_details"))
        if response.get("status") != "incomplete" and not details:
            return "refusal" if self.refused else "completed"
        reason = as_text(details.get("reason"))
        return reason if ending_of(reason) in CUTS else "max_output_tokens"


def _number(index: object) -> int:
    """An item's place; an item without one is the first."""
    return index if isinstance(index, int) else 0
