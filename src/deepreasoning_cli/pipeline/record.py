"""The whole of a turn, folded from its events."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from deepreasoning_cli.pipeline.events import (
    Draft,
    Event,
    Handoff,
    Reused,
    Source,
    Sources,
    Stage,
    StageFinished,
    StageStarted,
    Text,
    Thought,
    TurnStarted,
    TurnWarning,
)
from deepreasoning_cli.pipeline.money import Usage, estimate_tokens


@dataclass(slots=True)
class TurnRecord:
    """A turn as far as it has come; `apply` each event, `close` when no more will come."""

    clock: Callable[[], float] = time.monotonic
    opened: TurnStarted = field(default_factory=lambda: TurnStarted("", "", "", Handoff.REASONING))
    thoughts: list[str] = field(default_factory=list)
    drafts: list[str] = field(default_factory=list)
    reused_model: str | None = None
    texts: list[str] = field(default_factory=list)
    sources: tuple[Source, ...] = ()
    warnings: list[str] = field(default_factory=list)
    stages: dict[Stage, StageFinished] = field(default_factory=dict)
    saved: Decimal = Decimal(0)
    """USD that the vendors' caches spared; below 0 where more was paid for writing to them."""
    running: StageStarted | None = None
    complete: bool = False
    first_reasoning: float | None = None
    first_answer: float | None = None
    total: float = 0.0
    _began: float = 0.0
    _stage_began: float = 0.0

    def apply(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case TurnStarted():
                self.opened = event
                self._began = self.clock()
            case StageStarted():
                self.running = event
                self._stage_began = self.clock()
            case StageFinished():
                self.stages[event.stage] = event
                self.saved += _saved(self.running, event)
                self.running = None
            case Sources(sources):
                self.sources = sources
            case TurnWarning(message):
                self.warnings.append(message)
            case _:
                self._take_text(event)

    def _take_text(self, event: Thought | Draft | Text | Reused) -> None:
        match event:
            case Thought(text):
                if not self.thoughts:
                    self.first_reasoning = self.clock() - self._began
                self.thoughts.append(text)
            case Draft(text):
                self.drafts.append(text)
            case Text(text):
                if not self.texts:
                    self.first_answer = self.clock() - self._began
                self.texts.append(text)
            case Reused(reasoning, draft, model):
                self.thoughts, self.drafts, self.reused_model = [reasoning], [draft], model

    def close(self, *, complete: bool) -> None:
        """The turn is over; a stage that was still running is accounted for by an estimate."""
        self.complete = complete
        self.total = self.clock() - self._began
        if self.running:
            self.stages[self.running.stage] = self._broken_off(self.running)
            self.running = None

    def _broken_off(self, started: StageStarted) -> StageFinished:
        thinks = started.stage is Stage.REASON
        tokens = estimate_tokens(self.reasoning if thinks else self.answer)
        thought = tokens if thinks else None
        written = started.cache_write_tokens
        counted = Usage(started.input_tokens, tokens, thought, 0, written, estimated=True)
        usage = counted if tokens else None
        return StageFinished(
            started.stage,
            started.model,
            None,
            usage,
            started.rates.cost(usage, started.at) if started.rates and usage else None,
            self.clock() - self._stage_began,
            None,
            complete=False,
        )

    @property
    def reasoning(self) -> str:
        """The chain of thought so far."""
        return "".join(self.thoughts)

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
        return "".join(self.texts)

    @property
    def cost(self) -> Decimal | None:
        """USD of all stages; None as soon as one of them is unknown."""
        counted = (stage for stage in self.stages.values() if stage.usage or stage.cost is not None)
        costs = [stage.cost for stage in counted]
        return None if None in costs else sum((cost for cost in costs if cost), Decimal(0))

    @property
    def estimated(self) -> bool:
        """Whether any part of the usage is an estimate."""
        return any(stage.usage and stage.usage.estimated for stage in self.stages.values())


def _saved(started: StageStarted | None, finished: StageFinished) -> Decimal:
    """USD that caches spared the stage; 0 where nobody knows its rates."""
    if started is None or started.stage is not finished.stage:
        return Decimal(0)
    if started.rates is None or finished.usage is None:
        return Decimal(0)
    return started.rates.saved(finished.usage, started.at)
