"""What a server says around a reply's chunks, and a reply gathered whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deepreasoning_cli.events import Chunk, End, Served, Text, Thought
from deepreasoning_cli.money import Usage


@dataclass(frozen=True, slots=True)
class Head:
    """What every part of a reply repeats.

    `id` is bare: each format puts its own prefix before it. `created` is in Unix seconds. `model`
    holds where the chunks do not begin with the model that really answers.
    """

    id: str
    model: str
    created: int


@dataclass(slots=True)
class Gathered:
    """A reply as far as it has come: `runs` are its texts, a new one wherever the kind changes."""

    model: str
    runs: list[tuple[type[Thought | Text], list[str]]] = field(default_factory=list)
    usage: Usage | None = None
    end: End | None = None

    @classmethod
    def of(cls, chunks: Iterable[Chunk], head: Head) -> Gathered:
        """The whole of `chunks`."""
        reply = cls(head.model)
        for chunk in chunks:
            reply.take(chunk)
        return reply

    def take(self, chunk: Chunk) -> None:
        """Note one chunk."""
        match chunk:
            case Thought(text) | Text(text):
                if not self.runs or self.runs[-1][0] is not type(chunk):
                    self.runs.append((type(chunk), []))
                self.runs[-1][1].append(text)
            case Served(model):
                self.model = model
            case Usage():
                self.usage = chunk
            case _:
                self.end = chunk

    @property
    def reason(self) -> str | None:
        """The stop reason, in the words of whoever gave it."""
        return self.end.reason if self.end else None

    def joined(self, kind: type[Thought | Text]) -> str:
        """All text of one kind."""
        return "".join(text for run, texts in self.runs if run is kind for text in texts)
