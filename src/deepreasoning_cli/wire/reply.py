"""What a server says around a reply's chunks, and a reply gathered whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from deepreasoning_cli.events import Chunk, End, Payload, Served, Text, Thought
from deepreasoning_cli.money import Usage, usd


@dataclass(frozen=True, slots=True)
class Head:
    """What every part of a reply repeats.

    `id` is bare: each format puts its own prefix before it. `created` is in Unix seconds. `model`
    holds where the chunks do not begin with the model that really answers.
    """

    id: str
    model: str
    created: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What the whole reply cost in USD, all stages; None where a rate is unknown."""

    usd: Decimal | None


@dataclass(slots=True)
class ReplyAccumulator:
    """A reply as far as it has come: `runs` are its texts, a new one wherever the kind changes."""

    model: str
    runs: list[tuple[type[Thought | Text], list[str]]] = field(default_factory=list)
    usage: Usage | None = None
    cost: Cost | None = None
    end: End | None = None

    @classmethod
    def of(cls, chunks: Iterable[Chunk | Cost], head: Head) -> ReplyAccumulator:
        """The whole of `chunks`."""
        reply = cls(head.model)
        for chunk in chunks:
            reply.add(chunk)
        return reply

    def add(self, chunk: Chunk | Cost) -> None:
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
            case Cost():
                self.cost = chunk
            case _:
                self.end = chunk

    @property
    def kind(self) -> type[Thought | Text] | None:
        """What kind of text came last, None before any."""
        return self.runs[-1][0] if self.runs else None

    @property
    def cost_fields(self) -> Payload:
        """What an object of usage says about the cost: nothing, unless one was given."""
        return {"cost_usd": usd(self.cost.usd)} if self.cost else {}

    @property
    def reason(self) -> str | None:
        """The stop reason, in the words of whoever gave it."""
        return self.end.reason if self.end else None

    def text_of(self, kind: type[Thought | Text]) -> str:
        """All text of one kind."""
        return "".join(text for run, texts in self.runs if run is kind for text in texts)
