"""A provider yields chunks, the pipeline yields events: frozen facts, read with `match`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from deepreasoning_cli.pipeline.money import RateCard, Usage, estimate_tokens

if TYPE_CHECKING:
    from deepreasoning_cli.pipeline.tools import AnswerOptions, MessagePart

Payload = dict[str, Any]
DONE: Final[Payload] = {"[DONE]": True}
"""Stands for the line `data: [DONE]` in a stream of payloads."""


class Stage(StrEnum):
    """The stages of a turn, in order."""

    SEARCH = "search"
    REASON = "reason"
    PROBE = "probe"
    """The probes of `--stop settled`, all in one, which run while the reasoner thinks."""
    ANSWER = "answer"


class Handoff(StrEnum):
    """The parts of the reasoner's work that the answerer receives."""

    REASONING = "reasoning"
    ANSWER = "answer"
    BOTH = "both"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a client's tool; `arguments` is JSON as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    `parts` are what it is made of where that is more than text; `text` is all of it in words.
    """

    role: Literal["user", "assistant"]
    text: str
    parts: tuple[MessagePart, ...] = ()

    @property
    def media_tokens(self) -> int:
        """An estimate of what its images and documents take to read, beside its text."""
        return sum(getattr(part, "tokens", 0) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Prompt:
    """The input of a model: a system prompt and messages, the last of them the user's.

    `stable` says how many of the first messages the next turn sends again as they are, behind the
    same system prompt; None for a prompt that is sent once. `has_reasoning` tells whether a whole
    chain of thought is in it, so that the model need not think the question through again.
    `question_at` is the place of the message that is answered, where calls of tools and their
    results follow it. `options` are what a client asks of the answer besides its text.
    """

    messages: tuple[Message, ...]
    system: str | None = None
    stable: int | None = None
    has_reasoning: bool = False
    question_at: int = -1
    options: AnswerOptions | None = None

    @property
    def text(self) -> str:
        """All of it in one string, for estimates."""
        texts = [self.system or "", *(message.text for message in self.messages)]
        return "\n".join([*texts, self.options.text] if self.options else texts)

    @property
    def tokens(self) -> int:
        """An estimate of what it takes to read, its images and documents too."""
        return estimate_tokens(self.text) + sum(each.media_tokens for each in self.messages)

    @property
    def is_plain(self) -> bool:
        """Whether it is nothing but text."""
        return self.options is None and not any(message.parts for message in self.messages)


@dataclass(frozen=True, slots=True)
class Thought:
    """A piece of the chain of thought; in the answerer's stage, of the summary of its own."""

    text: str


@dataclass(frozen=True, slots=True)
class HiddenThought:
    """Pieces of the chain of thought that came encrypted or redacted."""

    pieces: int = 1


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
    """The positive sign that a reply is whole; `reason` is the vendor's stop reason, if given.

    `details` are its own words on a refusal, or the text that it stopped at, where that is known.
    """

    reason: str | None
    details: str = ""


ANSWER_NOW: Final = "answer_now"
"""The stop reason of a reasoner that the user cut short, so that the answer comes at once."""
COST_CAP: Final = "cost_cap"
"""The stop reason of a stage that a cap ended, and the kind of the errors."""
MAX_REASONING: Final = "max_reasoning"
"""The stop reason of a reasoner that has thought as long as the setting of that name allows."""
SETTLED: Final = "settled"
"""The stop reason of a reasoner whose thoughts led two probes in a row to the same answer."""
REPLAY: Final = "replay"
"""The backend of a turn whose calls were played from a cassette: no model was called."""
RECORDING_ENDED: Final = "recording_ended"
"""The stop reason of a replayed reasoner that was stopped while it was recorded."""
CUT_SHORT: Final = frozenset({ANSWER_NOW, COST_CAP, MAX_REASONING, RECORDING_ENDED})
"""The stop reasons of a chain of thought that we have stopped before its end."""


@dataclass(frozen=True, slots=True)
class ToolCallStarted:
    """The answerer calls a tool of the client's; what follows until the next are its arguments."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolArguments:
    """A piece of the JSON that is the arguments of the last call."""

    text: str


Chunk = (
    Thought | HiddenThought | Text | ToolCallStarted | ToolArguments | ModelReported | Usage | End
)


@dataclass(frozen=True, slots=True)
class Source:
    """A page among the search results.

    `text` is what the models were given of it; a turn that is complete does not keep it.
    """

    title: str
    url: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """A turn begins, with its question and system prompt.

    `reasoning_from` is the id of the turn whose reasoning is used again, if one is, `resumes` that
    of the unfinished turn that this one finishes; `reasoner` the name of the one that was chosen,
    `answerer` the id of the model that is to answer and `answerer_host` the name of the answerer
    that has it, so that the turn can be finished by the same. `fingerprint` is what the question
    with its conversation is known by, `conversation` the JSON of the messages, where a client of
    `serve` may come back to them. `comparison` is the id of the turn that a comparison of answers
    begins with, in all of its turns, and `arms` the JSON of them all, in that one alone.
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
    answerer_host: str | None = None
    resumes: str | None = None
    fingerprint: str | None = None
    conversation: str | None = None
    comparison: str | None = None
    arms: str | None = None


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins: its model, and the figures that price it where it does not finish.

    `host` is the name of the reasoner or answerer that has the model. A stage begins again where
    another one steps in. `cache_write_tokens` of the `input_tokens` may be billed as a write to the
    vendor's cache. `thoughts` grow with the stage: a record need not keep them a second time.
    """

    stage: Stage
    model: str
    input_tokens: int
    rates: RateCard | None
    at: datetime
    cache_write_tokens: int = 0
    host: str | None = None
    thoughts: Iterable[str] | None = field(default=None, compare=False, repr=False)

    def estimate(self, output_tokens: int = 0, reasoning_tokens: int | None = None) -> Usage:
        """The usage where no vendor counts, at its highest price: nothing is read from a cache."""
        written = self.cache_write_tokens
        return Usage(self.input_tokens, output_tokens, reasoning_tokens, 0, written, estimated=True)

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
            self.stage,
            self.model,
            served_model,
            usage,
            cost,
            seconds,
            stop_reason,
            complete,
            self.host,
        )


@dataclass(frozen=True, slots=True)
class ProbeStarted:
    """A probe is sent, while the reasoner thinks: a model is asked for its answer so far.

    `expected` are the tokens that the whole chain of thought is likely to have.
    """

    start: StageStarted
    expected: int


@dataclass(frozen=True, slots=True)
class ProbeFinished:
    """The last probe is over, with what it took; without `usage` it cost nothing."""

    finished: StageFinished


@dataclass(frozen=True, slots=True)
class Sources:
    """The search results, in the order of their numbers."""

    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage has ended: `cost` in USD, None where a rate is unknown; `seconds` it took.

    `complete` is False for a stage that was cut before its end: the connection broke, the token
    limit was reached, the model declined to continue. A reasoner that was stopped on purpose at its
    first answer token is complete. `host` is as in StageStarted.
    """

    stage: Stage
    model: str
    served_model: str | None
    usage: Usage | None
    cost: Decimal | None
    seconds: float
    stop_reason: str | None
    complete: bool = True
    host: str | None = None

    def with_next(self, other: StageFinished) -> StageFinished:
        """This stage and another call of the same model in one."""
        usages = [each.usage for each in (self, other) if each.usage]
        costs = (self.cost, other.cost)
        return replace(
            other,
            usage=usages[0] + usages[-1] if len(usages) > 1 else next(iter(usages), None),
            cost=None if costs[0] is None or costs[1] is None else costs[0] + costs[1],
            seconds=self.seconds + other.seconds,
        )

    def thought_in_vain(self, text: str) -> int:
        """The tokens that an answerer thought for where its limit came before any `text`, else 0.

        A vendor that does not count them apart has counted nothing but them.
        """
        from deepreasoning_cli.pipeline.stop_reasons import Ending, ending_of

        truncated = ending_of(self.stop_reason) is Ending.TRUNCATED
        if text.strip() or not truncated or self.stage is not Stage.ANSWER or self.usage is None:
            return 0
        return self.usage.reasoning_tokens or self.usage.output_tokens


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another host steps in for one that could not be asked, for a `reason` in words.

    Nothing of the stage was received or paid for. The hosts are named as in the settings.
    """

    stage: Stage
    failed: str
    used: str
    reason: str


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
class Continued:
    """The beginning of the answer, from a turn that was cut: the text goes on behind it.

    `cost` is what that turn has cost in USD, None where unknown; `sources` are those that it found.
    """

    text: str
    cost: Decimal | None
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnWarning:
    """Something the user should know; the turn goes on."""

    message: str


Event = (
    TurnStarted
    | Reused
    | Continued
    | StageStarted
    | Sources
    | Thought
    | Draft
    | Text
    | ToolCallStarted
    | ToolArguments
    | StageFinished
    | ProbeStarted
    | ProbeFinished
    | Fallback
    | TurnWarning
)
