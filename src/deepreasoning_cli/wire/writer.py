"""Write a reply part by part, as its parts come; what the three formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from deepreasoning_cli.events import Chunk, End, Payload, Text, Thought
from deepreasoning_cli.wire.frames import (
    PLACEHOLDER,
    encode_events,
    encode_json,
    split_at_placeholder,
)
from deepreasoning_cli.wire.refusal import ApiError
from deepreasoning_cli.wire.reply import Cost, Head, ReplyAccumulator

Part = Chunk | Cost | ApiError
"""What a writer takes: a reply's chunks, what it cost, or why it broke off."""


class ReplyWriter(ABC):
    """One reply that is being written: `feed` it each part, send what it returns.

    A part takes the same time however long the reply is. After `End` or an `ApiError`, which closes
    the stream by the format's own error event, nothing more is written.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self.reply = ReplyAccumulator(head.model)
        self._has_started = False
        self._has_ended = False
        self._frame_parts: tuple[str, str] | None = None

    def feed(self, part: Part) -> list[Payload]:
        """The events for one more part, before the first one those that begin the reply."""
        self._frame_parts = None
        return [] if self._has_ended else self._complete(self._events_for(part))

    def frames(self, part: Part) -> bytes:
        """The bytes of `feed(part)`, in less time for text that goes on."""
        if not isinstance(part, Thought | Text) or self._has_ended:
            return encode_events(self.feed(part))
        if self._frame_parts and self.reply.kind is type(part):
            return self._repeat_frame(part.text, *self._frame_parts).encode("ascii")
        events = encode_events(self.feed(part))
        self._frame_parts = split_at_placeholder(self._delta(PLACEHOLDER))
        return events

    def _events_for(self, part: Part) -> Iterator[Payload]:
        if isinstance(part, ApiError):
            yield from self._start_once()
            yield from self._fail_reply(part)
            self._has_ended = True
            return
        turned = isinstance(part, Thought | Text) and self.reply.kind is not type(part)
        if turned:
            yield from self._end_block()
        self.reply.add(part)
        yield from self._start_once()
        if turned:
            yield from self._start_block()
        match part:
            case Thought(text) | Text(text):
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
        self.reply.runs[-1][1].append(text)
        return before + encode_json(text) + after

    def _complete(self, events: Iterable[Payload]) -> list[Payload]:
        return list(events)

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
        """What says that the reply broke off."""

    def _start_block(self) -> Iterable[Payload]:
        """What begins a block."""
        return ()

    def _end_block(self) -> Iterable[Payload]:
        """What ends the open block, if one is open."""
        return ()
