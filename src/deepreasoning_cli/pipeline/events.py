"""A provider yields chunks, the pipeline yields events: frozen facts, read with `match`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal

from deepreasoning_cli.pipeline.money import RateCard, Usage

Payload = dict[str, Any]
DONE: Final[Payload] = {"[DONE]": True}
"""Stands for the line `data: [DONE]` in a stream of payloads."""


class Stage(StrEnum):
    """The stages of a turn, in order."""

    SEARCH = "search"
    REASON = "reason"
    ANSWER = "answer"


class Handoff(StrEnum):
    """The parts of the reasoner's work that the answerer receives."""

    REASONING = "reasoning"
    ANSWER = "answer"
    BOTH = "both"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """The input of a model: a system prompt and messages, the last of them the user's.

    `stable` says how many of the first messages the next turn sends again as they are, behind the
    same system prompt; None for a prompt that is sent once.
    """

    messages: tuple[Message, ...]
    system: str | None = None
    stable: int | None = None

    @property
    def text(self) -> str:
        """All of it in one string, for estimates."""
        return "\n".join([self.system or "", *(message.text for message in self.messages)])


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of the chain of thought."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ModelReported:
    """The model that really answers, as the server names it."""

    model: str


@dataclass(frozen=True, slots=True)
class End:
    """The positive sign that a reply is whole; `reason` is the vendor's stop reason, if given."""

    reason: str | None


TRUNCATED: Final = frozenset(
    {"max_tokens", "length", "max_output_tokens", "model_context_window_exceeded"}
)
"""The stop reasons of a reply that ran into a limit, in the words of all vendors."""
REFUSED: Final = frozenset({"refusal", "content_filter"})
"""The stop reasons of a reply that a model or a filter would not give."""

Chunk = Thought | Text | ModelReported | Usage | End


@dataclass(frozen=True, slots=True)
class Source:
    """A page among the search results."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A turn begins, with its question and system prompt.

    `reasoning_from` is the id of the turn whose reasoning is used again, if one is; `reasoner`
    the name of the one that was chosen, and `answerer` Claude's model id, so that the turn can be
    finished by the same.
    """

    id: str
    backend: str
    prompt: str
    handoff: Handoff
    session: str | None = None
    system: str | None = None
    reasoning_from: str | None = None
    reasoner: str | None = None
    answerer: str | None = None


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins: its model, and the figures that price it where it does not finish.

    `cache_write_tokens` of the `input_tokens` may be billed as a write to the vendor's cache.
    """

    stage: Stage
    model: str
    input_tokens: int
    rates: RateCard | None
    at: datetime
    cache_write_tokens: int = 0

    def estimate(self, output_tokens: int = 0, reasoning_tokens: int | None = None) -> Usage:
        """The usage where no vendor counts, at its highest price: nothing is read from a cache."""
        return Usage(
            self.input_tokens,
            output_tokens,
            reasoning_tokens,
            cache_write_tokens=self.cache_write_tokens,
            estimated=True,
        )

    def finish(
        self,
        usage: Usage | None,
        seconds: float,
        *,
        served_model: str | None = None,
        stop_reason: str | None = None,
        complete: bool = True,
    ) -> StageFinished:
        """The event that ends this stage, with its cost."""
        cost = self.rates.cost(usage, self.at) if self.rates and usage else None
        return StageFinished(
            self.stage, self.model, served_model, usage, cost, seconds, stop_reason, complete
        )


@dataclass(frozen=True, slots=True)
class Sources:
    """The search results, in the order of their numbers."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage has ended: `cost` in USD, None where a rate is unknown; `seconds` it took.

    `complete` is False for a stage that was cut before its end: the connection broke, the token
    limit was reached, the model declined to go on. A reasoner that was stopped on purpose at its
    first answer token is complete.
    """

    stage: Stage
    model: str
    served_model: str | None
    usage: Usage | None
    cost: Decimal | None
    seconds: float
    stop_reason: str | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """A piece of the reasoner's own answer, where the hand-off uses it: it was paid for."""

    text: str


@dataclass(frozen=True, slots=True)
class Reused:
    """Reasoning of another turn, or of a file: this turn does not pay for it."""

    reasoning: str
    draft: str
    model: str


@dataclass(frozen=True, slots=True)
class TurnWarning:
    """Something the user should know; the turn goes on."""

    message: str


Event = (
    TurnStarted
    | Reused
    | StageStarted
    | Sources
    | Thought
    | Draft
    | Text
    | StageFinished
    | TurnWarning
)
