"""The state of a turn, built from its events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from deepreasoning_cli.pipeline import events
from deepreasoning_cli.pipeline.events import Event, Handoff, Stage
from deepreasoning_cli.pipeline.money import estimate_tokens

NOT_STARTED: Final = events.TurnStarted("", "", "", Handoff.REASONING)


@dataclass(slots=True)
class ToolCalls:
    """The calls of tools in a reply, put together from the pieces that they come in."""

    _calls: list[tuple[events.ToolCallStarted, list[str]]] = field(default_factory=list)

    def add(self, piece: events.ToolCallStarted | events.ToolArguments) -> None:
        """Take in the beginning of a call, or a piece of the last call's arguments."""
        if isinstance(piece, events.ToolCallStarted):
            self._calls.append((piece, []))
        elif self._calls:
            self._calls[-1][1].append(piece.text)

    def __iter__(self) -> Iterator[events.ToolCall]:
        for call, pieces in self._calls:
            yield events.ToolCall(call.id, call.name, "".join(pieces))

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def text(self) -> str:
        """All of them in one string, for estimates."""
        return "".join(call.name + call.arguments for call in self)


@dataclass(slots=True, kw_only=True)
class TurnRecord:
    """A turn so far; `apply` takes each event, `close` ends it."""

    clock: Callable[[], float] = time.monotonic
    start: events.TurnStarted = NOT_STARTED
    thoughts: list[str] = field(default_factory=list)
    own_thoughts: list[str] = field(default_factory=list)
    """What the answerer has thought itself, as far as the vendor sums it up."""
    drafts: list[str] = field(default_factory=list)
    reused_model: str | None = None
    texts: list[str] = field(default_factory=list)
    calls: ToolCalls = field(default_factory=ToolCalls)
    """The client's tools that the answerer calls; `ask` and `chat` have none."""
    kept_answer: str = ""
    """The beginning of the answer, which an earlier turn brought; `texts` are the rest."""
    earlier_cost: Decimal | None = None
    """USD that the earlier turn has cost, if the answer is continued and that is known."""
    sources: tuple[events.Source, ...] = ()
    warnings: list[str] = field(default_factory=list)
    fallbacks: list[events.Fallback] = field(default_factory=list)
    stages: dict[Stage, events.StageFinished] = field(default_factory=dict)
    saved: Decimal = Decimal(0)
    """USD that the vendors' caches spared; below 0 where more was paid for writing to them."""
    running: events.StageStarted | None = None
    complete: bool = False
    first_reasoning: float | None = None
    first_answer: float | None = None
    total: float = 0.0
    _began: float = 0.0
    _stage_began: float = 0.0

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case events.Thought(text):  # first, since most are pieces of text
                if self.first_reasoning is None:
                    self.first_reasoning = self.clock() - self._began
                answers = self.running is not None and self.running.stage is Stage.ANSWER
                (self.own_thoughts if answers else self.thoughts).append(text)
            case events.Text(text):
                if not self.texts:
                    self.first_answer = self.clock() - self._began
                self.texts.append(text)
            case events.ToolArguments() | events.ToolCallStarted():
                self.calls.add(event)
            case events.Draft(text):
                self.drafts.append(text)
            case _:
                self._apply_other(event)

    def _apply_other(self, event: Event) -> None:
        match event:
            case events.TurnStarted():
                self.start = event
                self._began = self.clock()
            case events.StageStarted():
                self.running = event
                self._stage_began = self.clock()
            case events.StageFinished():
                self.stages[event.stage] = event
                self.saved += _saved(self.running, event)
                self.running = None
            case events.Sources(sources):
                self.sources = sources
            case events.TurnWarning(message):
                self.warnings.append(message)
            case events.Fallback():
                self.fallbacks.append(event)
            case events.Reused(reasoning, draft, model):
                self.thoughts, self.drafts, self.reused_model = [reasoning], [draft], model
            case events.Continued(text, cost, sources):
                self.kept_answer, self.earlier_cost, self.sources = text, cost, sources

    def close(self, *, complete: bool) -> None:
        """End the turn; a stage that is still running gets an estimate."""
        self.complete = complete
        self.total = self.clock() - self._began
        if self.running:
            self.stages[self.running.stage] = self._unfinished(self.running)
            self.running = None

    def _unfinished(self, started: events.StageStarted) -> events.StageFinished:
        reasons = started.stage is Stage.REASON
        thought = estimate_tokens(self.reasoning if reasons else self.own_thinking)
        written = "".join(self.texts) + self.calls.text
        tokens = thought + (0 if reasons else estimate_tokens(written))
        usage = started.estimate(tokens, thought or None) if tokens else None
        return started.finish(usage, self.clock() - self._stage_began, complete=False)

    @property
    def reasoning(self) -> str:
        """The chain of thought so far."""
        return "".join(self.thoughts)

    @property
    def reasoned_to_the_end(self) -> bool:
        """Whether the chain of thought is whole; one from elsewhere is taken for it."""
        stage = self.stages.get(Stage.REASON)
        return stage is None or (stage.complete and stage.stop_reason not in events.CUT_SHORT)

    @property
    def own_thinking(self) -> str:
        """The summary of the answerer's own thinking so far."""
        return "".join(self.own_thoughts)

    @property
    def draft(self) -> str:
        """The reasoner's own answer, where the hand-off uses it."""
        return "".join(self.drafts)

    @property
    def reasoned_by(self) -> str | None:
        """The model that the reasoning is from, of this turn or of the one it was taken from."""
        stage = self.stages.get(Stage.REASON)
        return (stage.served_model or stage.model) if stage else self.reused_model

    @property
    def answer(self) -> str:
        """The answer so far."""
        return self.kept_answer + "".join(self.texts)

    @property
    def answers(self) -> bool:
        """Whether there is anything of an answer: words, or calls of tools."""
        return bool(self.answer.strip() or self.calls)

    @property
    def thought_in_vain(self) -> int:
        """The tokens that the answerer thought for where its limit came before any text, else 0."""
        stage = self.stages.get(Stage.ANSWER)
        return stage.thought_in_vain(self.answer) if stage else 0

    @property
    def cost(self) -> Decimal | None:
        """USD of all stages; None as soon as one of them is unknown."""
        costs = [stage.cost for stage in self.stages.values() if stage.usage or stage.cost]
        return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))

    @property
    def cost_in_all(self) -> Decimal | None:
        """USD of this turn and of those whose answer it continues; None where unknown."""
        if self.earlier_cost is None or self.cost is None:
            return None
        return self.earlier_cost + self.cost

    @property
    def estimated(self) -> bool:
        """Whether any part of the usage is an estimate."""
        return any(stage.usage and stage.usage.estimated for stage in self.stages.values())


def _saved(started: events.StageStarted | None, finished: events.StageFinished) -> Decimal:
    """USD that caches spared the stage; 0 where nobody knows its rates."""
    usage = finished.usage
    if started and started.stage is finished.stage and started.rates and usage:
        return started.rates.saved(usage, started.at)
    return Decimal(0)
