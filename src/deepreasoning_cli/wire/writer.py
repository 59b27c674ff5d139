"""Write a reply part by part, as its parts come; what the three formats have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from deepreasoning_cli.events import Chunk, End, Payload, Text, Thought
from deepreasoning_cli.wire.frames import ENCODE, MARK, around, framed
from deepreasoning_cli.wire.refusal import Failure
from deepreasoning_cli.wire.reply import Cost, Gathered, Head

Part = Chunk | Cost | Failure
"""What a writer takes: a reply's chunks, what it cost, or why it broke off."""


class Writer(ABC):
    """One reply that is being written: `feed` it each part, send what it returns.

    A part takes the same time however long the reply is. After `End` or a `Failure`, which closes
    the stream by the format's own error event, nothing more is written.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self.reply = Gathered(head.model)
        self._begun = False
        self._ended = False
        self._around: tuple[str, str] | None = None

    def begin(self) -> list[Payload]:
        """The events before any text, if they were not written yet."""
        return self._out(self._beginning())

    def feed(self, part: Part) -> list[Payload]:
        """The events for one more part, those of `begin` first if they are due."""
        self._around = None
        return [] if self._ended else self._out(self._fed(part))

    def frames(self, part: Part) -> bytes:
        """The bytes of `feed(part)`, in less time for text that goes on."""
        if not isinstance(part, Thought | Text) or self._ended:
            return framed(self.feed(part))
        if self._around and self.reply.kind is type(part):
            return self._again(part.text, *self._around).encode("ascii")
        events = framed(self.feed(part))
        self._around = around(self._delta(MARK))
        return events

    def written(self, parts: Iterable[Part]) -> Iterator[Payload]:
        """The events for all of `parts`, each as soon as its part is there."""
        for part in parts:
            yield from self.feed(part)

    def _fed(self, part: Part) -> Iterator[Payload]:
        if isinstance(part, Failure):
            yield from self._beginning()
            yield from self._broken(part)
            self._ended = True
            return
        turned = isinstance(part, Thought | Text) and self.reply.kind is not type(part)
        if turned:
            yield from self._closed()
        self.reply.take(part)
        yield from self._beginning()
        if turned:
            yield from self._opened()
        match part:
            case Thought(text) | Text(text):
                yield self._delta(text)
            case End():
                yield from self._closed()
                yield from self._finished()
                self._ended = True

    def _beginning(self) -> Iterator[Payload]:
        if not self._begun:
            self._begun = True
            yield from self._head()

    def _again(self, text: str, before: str, after: str) -> str:
        """The frame of one more piece of the open block."""
        self.reply.runs[-1][1].append(text)
        return before + ENCODE(text) + after

    def _out(self, events: Iterable[Payload]) -> list[Payload]:
        return list(events)

    @abstractmethod
    def _head(self) -> Iterable[Payload]:
        """What comes before any text."""

    @abstractmethod
    def _delta(self, text: str) -> Payload:
        """A piece of the open block."""

    @abstractmethod
    def _finished(self) -> Iterable[Payload]:
        """What comes after all text."""

    @abstractmethod
    def _broken(self, failure: Failure) -> Iterable[Payload]:
        """What says that the reply broke off."""

    def _opened(self) -> Iterable[Payload]:
        """What begins a block."""
        return ()

    def _closed(self) -> Iterable[Payload]:
        """What ends the open block, if one is open."""
        return ()
