"""Write a reply part by part: what the formats share."""

from __future__ import annotations

import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar, Final

from deepreasoning_cli.pipeline.events import (
    DONE,
    Chunk,
    End,
    ModelReported,
    Payload,
    Text,
    Thought,
    ToolArguments,
    ToolCallStarted,
)
from deepreasoning_cli.pipeline.money import Usage, decimal_usd
from deepreasoning_cli.pipeline.record import GrowingText
from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of
from deepreasoning_cli.wire.server.errors import ApiError

encode_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""JSON in ASCII: some clients end a line at U+2028, which cuts it in two."""
PLACEHOLDER: Final = "\0"
LONG_TEXT: Final = 200_000  # bytes
_MARK: Final = f"\0{secrets.token_hex(16)}"
"""Stands for a long text; nobody outside knows it."""


def encode_event(payload: Payload) -> bytes:
    """The event's bytes. Its name is its `type`, which Chat Completions does not have."""
    if payload == DONE:
        return b"data: [DONE]\n\n"
    head = f"event: {payload['type']}\n" if "type" in payload else ""
    return f"{head}data: {encode_json(payload)}\n\n".encode("ascii")


def encode_events(payloads: Iterable[Payload]) -> bytes:
    """The bytes of several events."""
    return b"".join(map(encode_event, payloads))


def encode_whole(payload: Payload) -> Iterator[bytes]:
    """The JSON of a whole reply, in one piece; in several where texts of it are GrowingText."""
    texts: list[GrowingText] = []

    def stand_in(text: GrowingText) -> str:
        texts.append(text)
        return _MARK

    encoded = json.dumps(payload, default=stand_in)
    for place, piece in enumerate(encoded.split(_MARK_IN_JSON)):
        if place:
            for part in texts[place - 1]:
                yield encode_json(part)[1:-1].encode("ascii")
        yield piece.encode("ascii")


_MARK_IN_JSON: Final = encode_json(_MARK)[1:-1]


@dataclass(frozen=True, slots=True)
class Head:
    """What every part of a reply repeats.

    `id` has no prefix; each format adds its own. `created` is in Unix seconds. `model` applies
    unless the chunks report another. `request` are the fields of the request that Responses
    repeats, `input_tokens` an estimate of its length, for clients that show the first count.
    """

    id: str
    model: str
    created: int
    request: Mapping[str, Any] = field(default_factory=dict)
    input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of all stages in USD; None if a rate is unknown."""

    usd: Decimal | None


RunKind = type[Thought | Text] | ToolCallStarted
"""What a run of texts is: thought, text, or the arguments of the call that began."""
Piece = Thought | Text | ToolArguments


@dataclass(slots=True)
class ReplyAccumulator:
    """The reply so far: `runs` are its texts, a new one wherever the kind changes."""

    model: str
    runs: list[tuple[RunKind, GrowingText]] = field(default_factory=list)
    thoughts: GrowingText | None = None
    """The reasoner's, while they grow elsewhere: their run is not kept a second time."""
    keeps_texts: bool = True
    """Whether the texts are needed once they are sent."""
    calls: int = 0
    usage: Usage | None = None
    cost: Cost | None = None
    reason: str | None = None
    """The stop reason in the vendor's words."""
    stopped_at: str | None = None
    """The stop sequence that ended it, where it is known."""

    def add(self, chunk: Chunk | Cost) -> None:
        """Note one chunk."""
        match chunk:
            case Thought(text) | Text(text):
                if not self.goes_on(chunk):
                    self._begin_run(type(chunk))
                self.append(text)
            case ToolCallStarted():
                self.calls += 1
                self._begin_run(chunk)
            case ToolArguments(text) if self.goes_on(chunk):
                self.append(text)
            case ModelReported(model):
                self.model = model
            case Usage():
                self.usage = chunk
            case Cost():
                self.cost = chunk
            case End(reason, details):
                self.reason = reason
                self.stopped_at = details or None if reason == "stop_sequence" else None

    def follow(self, thoughts: GrowingText | None) -> None:
        """A stage begins, whose thoughts grow elsewhere if they are given."""
        self.runs = [
            (run, texts.copy() if texts is self.thoughts else texts) for run, texts in self.runs
        ]
        self.thoughts = thoughts

    def _begin_run(self, kind: RunKind) -> None:
        is_shared = kind is Thought and self.thoughts is not None and not self.runs
        self.runs.append((kind, self.thoughts if self.thoughts and is_shared else GrowingText()))

    def append(self, text: str) -> None:
        """Add a piece to the last run."""
        texts = self.runs[-1][1]
        if self.keeps_texts and texts is not self.thoughts:
            texts.append(text)

    @property
    def kind(self) -> RunKind | None:
        """The kind of the last text, None before the first."""
        return self.runs[-1][0] if self.runs else None

    def goes_on(self, piece: Piece) -> bool:
        """Whether the piece belongs to the last run."""
        kind = self.kind
        if isinstance(piece, ToolArguments):
            return isinstance(kind, ToolCallStarted)
        return kind is type(piece)

    @property
    def ending_words(self) -> tuple[str | None, bool]:
        """Why the reply ended, in the vendor's word, and whether it did so for its calls."""
        cut = ending_of(self.reason) in (Ending.TRUNCATED, Ending.REFUSED)
        return self.reason, self.calls > 0 and not cut

    @property
    def cost_fields(self) -> Payload:
        """The cost for an object of usage; no field if the parts had no cost."""
        return {"cost_usd": decimal_usd(self.cost.usd)} if self.cost else {}

    def text_of(self, kind: type[Thought | Text]) -> str | GrowingText:
        """All text of one kind."""
        runs = [texts for run, texts in self.runs if run is kind]
        return in_json(runs[0]) if len(runs) == 1 else "".join(map(str, runs))


def in_json(texts: GrowingText) -> str | GrowingText:
    """The text as a payload has it: a long one as it is, for `encode_whole`."""
    return texts if texts.size > LONG_TEXT else str(texts)


Part = Chunk | Cost | ApiError
"""What a writer takes: chunks, the cost, or the failure that ends the reply."""


class ReplyWriter(ABC):
    """One reply that is being written: `feed` it each part, send what it returns.

    A part takes the same time however long the reply is. After `End` or an `ApiError`, which closes
    the stream by the format's own error event, nothing more is written. A reply that is not
    streamed is the `whole` of what was added to `reply`. `include_usage` is what a client of Chat
    Completions sets in `stream_options`; the other formats always have usage.
    """

    left_out: tuple[type[Chunk], ...] = ()
    """The chunks that a stream of the format has no place for."""
    repeats_texts: ClassVar = False
    """Whether a stream needs a text again at its end."""

    def __init__(self, head: Head, *, include_usage: bool = True) -> None:
        self.head = head
        self.include_usage = include_usage
        self.reply = ReplyAccumulator(head.model)
        self._has_started = False
        self._has_ended = False
        self._frame_parts: tuple[str, str] | None = None

    def feed(self, part: Part) -> list[Payload]:
        """The events for one more part; those of the first part start the reply."""
        self._frame_parts = None
        return [] if self._has_ended else self._complete(self._events_for(part))

    def frames(self, part: Part) -> bytes:
        """The bytes of `feed(part)`, faster for text that continues a block."""
        if not isinstance(part, Piece) or self._has_ended:
            return encode_events(self.feed(part))
        if self._frame_parts and self.reply.goes_on(part):
            return self._repeat_frame(part.text, *self._frame_parts).encode("ascii")
        events = encode_events(self.feed(part))
        if not self.reply.goes_on(part):  # arguments of no call
            return events
        # frames that differ in their text alone need no JSON but the text's own
        frame = encode_event(self._delta(PLACEHOLDER)).decode("ascii")
        before, _, after = frame.rpartition(encode_json(PLACEHOLDER))
        self._frame_parts = before, after
        return events

    def _events_for(self, part: Part) -> Iterator[Payload]:
        if isinstance(part, ApiError):
            yield from self._start_once()
            yield from self._fail_reply(part)
            self._has_ended = True
            return
        is_new_kind = isinstance(part, ToolCallStarted) or (
            isinstance(part, Thought | Text) and not self.reply.goes_on(part)
        )
        if is_new_kind:
            yield from self._end_block()
        self.reply.add(part)
        yield from self._start_once()
        if is_new_kind:
            yield from self._start_block()
        match part:
            case Thought(text) | Text(text):
                yield self._delta(text)
            case ToolArguments(text) if self.reply.goes_on(part):
                yield self._delta(text)
            case End():
                yield from self._end_block()
                yield from self._end_reply()
                self._has_ended = True

    def _start_once(self) -> Iterator[Payload]:
        if not self._has_started:
            self._has_started = True
            yield from self._start_reply()

    def _repeat_frame(self, text: str, before: str, after: str) -> str:
        """The frame of one more piece of the open block."""
        self.reply.append(text)
        return before + encode_json(text) + after

    def _complete(self, events: Iterable[Payload]) -> list[Payload]:
        return list(events)

    @abstractmethod
    def whole(self) -> Payload:
        """The object of a reply that is not streamed."""

    @abstractmethod
    def _start_reply(self) -> Iterable[Payload]:
        """What comes before any text."""

    @abstractmethod
    def _delta(self, text: str) -> Payload:
        """A piece of the open block."""

    @abstractmethod
    def _end_reply(self) -> Iterable[Payload]:
        """What comes after all text."""

    @abstractmethod
    def _fail_reply(self, failure: ApiError) -> Iterable[Payload]:
        """What says that the reply has failed."""

    @abstractmethod
    def _start_block(self) -> Iterable[Payload]:
        """What starts a block."""

    def _end_block(self) -> Iterable[Payload]:
        """What ends the open block, if one is open."""
        return ()


FINISH_REASONS: Final = frozenset(
    {"stop", "length", "tool_calls", "content_filter", "function_call"}
)
STOP_REASONS: Final = frozenset(
    {
        "end_turn",
        "stop_sequence",
        "max_tokens",
        "model_context_window_exceeded",
        "refusal",
        "tool_use",
        "pause_turn",
    }
)


def _translate(
    own: frozenset[str],
    words: tuple[str, str, str, str],
    reason: str | None,
    calls: bool = False,
) -> str:
    """A format's own word stays; another's becomes the one for complete, truncated or refused.

    A reply that ended for its `calls` of tools has a word of its own, whatever the vendor's is.
    """
    complete, truncated, refused, called = words
    if calls:
        return called
    if reason in own:
        return str(reason)
    ending = ending_of(reason)
    if ending is Ending.TRUNCATED:
        return truncated
    return refused if ending is Ending.REFUSED else complete


to_finish_reason = partial(
    _translate, FINISH_REASONS, ("stop", "length", "content_filter", "tool_calls")
)
"""The `finish_reason` for any vendor's stop reason."""
to_stop_reason = partial(
    _translate, STOP_REASONS, ("end_turn", "max_tokens", "refusal", "tool_use")
)
"""The `stop_reason` for any vendor's stop reason."""
to_done_reason = partial(
    _translate, frozenset({"stop", "length"}), ("stop", "length", "content_filter", "stop")
)
"""Ollama's `done_reason` for any vendor's stop reason."""
to_incomplete_reason = partial(
    _translate,
    frozenset[str](),
    ("completed", "max_output_tokens", "content_filter", "completed"),
)
"""The reason in `incomplete_details`, or `completed` where there is none."""


def openai_usage(usage: Usage, prompt: str, completion: str) -> Payload:
    """The counts without the details of the completion, as both formats of OpenAI's have them."""
    return {
        f"{prompt}_tokens": usage.input_tokens,
        f"{completion}_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        f"{prompt}_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
    }
