"""The hosted model's one call, told apart into the stages of a turn."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from deepreasoning_cli.errors import DeepReasoningError, IncompleteError, UnavailableError
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.events import (
    Chunk,
    End,
    Event,
    Message,
    Prompt,
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
from deepreasoning_cli.pipeline.hosted import NO_REASONING
from deepreasoning_cli.pipeline.money import RateCard, Rates, Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, run_turn

RATES = RateCard(Rates(Decimal(12), Decimal(58)))
QUESTION = Prompt((Message("user", "6×7?"),))
Said = Chunk | DeepReasoningError
DONE = (Usage(100, 40, 30), End("stop"))


@dataclass
class Hosted:
    """Says its lines and notes that it was closed."""

    said: Iterable[Said]
    searches: bool = False
    search_price: Decimal | None = Decimal("0.013")
    model: str = "claude-x"
    rates: RateCard | None = RATES
    context: int | None = None
    host: str | None = None
    closed: list[int] = field(default_factory=list)

    def as_reasoner(self) -> Hosted:
        return Hosted(self.said, model="deepreasoning")

    def preconnect(self, *, once: bool = False) -> None: ...

    def stream(
        self, prompt: Prompt, when_sent: Callable[[], None] = lambda: None
    ) -> Generator[Chunk, None, None]:
        assert prompt is QUESTION
        try:
            for number, chunk in enumerate(self.said):
                self.closed[:] = [number]
                if isinstance(chunk, DeepReasoningError):
                    raise chunk
                yield chunk
        finally:
            self.closed.append(-1)


def plan(hosted: Hosted, *, answers: bool = True, **fields: Any) -> Plan:
    thinker = None if answers else hosted.as_reasoner()
    answerer = hosted if answers else None
    return Plan(
        id="id",
        backend="gateway",
        question="6×7?",
        prompt=QUESTION,
        reasoner=thinker,
        answerer=answerer,
        hosted=hosted,
        **fields,
    )


def run(plan: Plan) -> list[Event]:
    return list(run_turn(plan))


def run_until_failure(plan: Plan) -> tuple[list[Event], DeepReasoningError]:
    events: list[Event] = []
    with pytest.raises(DeepReasoningError) as raised:
        events.extend(run_turn(plan))  # keeps what came before the failure
    return events, raised.value


def told(events: Iterable[Event]) -> list[object]:
    """The events without what differs from run to run."""
    short: list[object] = []
    for event in events:
        match event:
            case TurnStarted():
                pass
            case StageStarted():
                short.append(("started", event.stage, event.model))
            case StageFinished():
                short.append(("finished", event.stage, event.model, event.usage, event.cost))
            case _:
                short.append(event)
    return short


THINKING = ("started", Stage.REASON, "deepreasoning")
THOUGHT = ("finished", Stage.REASON, "deepreasoning", None, None)
ANSWERING = ("started", Stage.ANSWER, "claude-x")
ANSWERED = ("finished", Stage.ANSWER, "claude-x", DONE[0], Decimal("0.00352"))


def test_the_answer_begins_with_its_first_text_and_has_the_counts_of_both() -> None:
    said: list[Said] = [Thought("six"), Thought(" sevens"), Text("4"), Text("2"), *DONE]
    assert told(run(plan(Hosted(said)))) == [
        THINKING,
        Thought("six"),
        Thought(" sevens"),
        THOUGHT,
        ANSWERING,
        Text("4"),
        Text("2"),
        ANSWERED,
    ]


def test_a_search_has_its_price_and_the_footer_its_sources() -> None:
    footer = "\n\nSources:\n1. Tables — https://a.org"
    said: list[Said] = [Thought("six"), Text("42"), Text(footer), *DONE]
    assert told(run(plan(Hosted(said, searches=True)))) == [
        THINKING,
        Thought("six"),
        THOUGHT,
        ("started", Stage.SEARCH, "linkup"),
        ("finished", Stage.SEARCH, "linkup", None, Decimal("0.013")),
        ANSWERING,
        Text("42"),
        Text(footer),
        Sources((Source("Tables", "https://a.org"),)),
        ANSWERED,
    ]


def test_no_reasoning_is_said_and_stops_nothing() -> None:
    assert told(run(plan(Hosted([Text("42"), *DONE])))) == [
        THINKING,
        THOUGHT,
        TurnWarning(NO_REASONING),
        ANSWERING,
        Text("42"),
        ANSWERED,
    ]


def test_a_thought_that_comes_late_is_kept() -> None:
    said: list[Said] = [Thought("six"), Text("42"), Thought(" sevens"), *DONE]
    record = TurnRecord()
    for event in run(plan(Hosted(said))):
        record.apply(event)
    assert (record.reasoning, record.own_thinking) == ("six", " sevens")
    assert record.answer == "42"


def test_an_empty_answer_is_incomplete() -> None:
    events, error = run_until_failure(plan(Hosted([Thought("six"), *DONE])))
    assert told(events)[-2:] == [ANSWERING, ANSWERED]
    assert (type(error), error.kind, error.stage) == (IncompleteError, "empty_answer", "answer")


def test_only_the_reasoning_closes_the_call_at_the_answer() -> None:
    hosted = Hosted([Thought("six"), Text("42"), Text("!"), *DONE])
    events = run(plan(hosted, answers=False))
    assert hosted.closed == [1, -1]
    assert told(events)[:2] == [THINKING, Thought("six")]
    (finished,) = [event for event in events if isinstance(event, StageFinished)]
    assert finished.usage is not None
    assert (finished.stage, finished.usage.estimated) == (Stage.REASON, True)


def test_only_the_reasoning_of_none_is_incomplete() -> None:
    _, error = run_until_failure(plan(Hosted([Text("42"), *DONE]), answers=False))
    assert (type(error), error.kind) == (IncompleteError, "empty_reasoning")


@pytest.mark.parametrize(
    ("said", "stage", "kind"),
    [
        ([UnavailableError("down", kind="server")], "reason", UnavailableError),
        ([Thought("six"), UnavailableError("down")], "reason", IncompleteError),
        ([Thought("six"), Text("4"), UnavailableError("down")], "answer", IncompleteError),
        ([Thought("six")], "reason", IncompleteError),
        ([Thought("six"), Text("4")], "answer", IncompleteError),
    ],
)
def test_a_fault_is_of_the_stage_that_it_meets(
    said: list[Any], stage: str, kind: type[DeepReasoningError]
) -> None:
    _, error = run_until_failure(plan(Hosted(said)))
    assert (type(error), error.stage) == (kind, stage)


def test_an_answer_that_breaks_off_is_priced_with_the_reasoning_it_read() -> None:
    said: list[Said] = [Thought("x" * 400), Text("y" * 40), UnavailableError("down")]
    events, _ = run_until_failure(plan(Hosted(said)))
    record = TurnRecord()
    for event in events:
        record.apply(event)
    record.close(complete=False)
    answer = record.stages[Stage.ANSWER]
    assert answer.usage == Usage(102, 10, estimated=True)
    assert record.cost == (102 * 12 + 10 * 58) / Decimal(1_000_000)


def test_a_token_limit_is_incomplete() -> None:
    said: list[Said] = [Thought("six"), Text("4"), DONE[0], End("length")]
    events, error = run_until_failure(plan(Hosted(said)))
    assert (error.kind, error.stage) == ("max_tokens", "answer")
    assert isinstance(events[-1], StageFinished)
    assert events[-1].complete is False


def test_a_cap_stops_the_call() -> None:
    caps = Caps((Cap("max_cost", Decimal("0.001")),))
    said: list[Said] = [Thought("x" * 40), Thought("y" * 400), Text("42"), *DONE]
    events, error = run_until_failure(plan(Hosted(said), caps=caps))
    assert (error.kind, error.stage) == ("cost_cap", "reason")
    assert isinstance(events[-1], StageFinished)
    assert (events[-1].stage, events[-1].stop_reason) == (Stage.REASON, "cost_cap")
