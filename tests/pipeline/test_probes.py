"""Probes: when one is sent, what ends the thinking, and what they may cost."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from deepreasoning_cli.errors import IncompleteError, UnavailableError
from deepreasoning_cli.pipeline.budget import Cap, Caps
from deepreasoning_cli.pipeline.events import (
    SETTLED,
    Chunk,
    End,
    Message,
    ProbeFinished,
    ProbeStarted,
    Prompt,
    Stage,
    StageStarted,
    Text,
    Thought,
)
from deepreasoning_cli.pipeline.money import MILLION, RateCard, Rates, Usage
from deepreasoning_cli.pipeline.probes import FIRST, GROWTH, MOST_READ, Probing
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.pipeline.run import Plan, run_turn
from support.scripted_models import Said, ScriptedModel

REASONING: Final = RateCard(Rates(Decimal("0.15"), Decimal("0.60")))
READING: Final = RateCard(Rates(Decimal(3), Decimal(15)))
PROBING: Final = RateCard(Rates(Decimal("0.10"), Decimal("0.50")))
NOON: Final = datetime(2026, 11, 27, 12, tzinfo=UTC)
STEP: Final = 100  # tokens of a thought
Reply = Callable[[str], Sequence[Said]]


@dataclass(kw_only=True)
class Model(ScriptedModel):
    """Says what `replies` makes of the last message that it reads."""

    replies: Reply

    def reply(self, prompt: Prompt) -> Sequence[Said]:
        return self.replies(prompt.messages[-1].text)


def thoughts(count: int, says: Callable[[int], str] = lambda _: "") -> Reply:
    """So many thoughts of `STEP` tokens; `says` is the first word of the one behind so many."""
    steps = [f"{says(step * STEP)} ".ljust(4 * STEP, "a") for step in range(count)]
    return lambda _: [*map(Thought, steps), Text("own"), Usage(9, 9), End("stop")]


def says(*texts: str) -> Reply:
    """One text after the other; the last one again and again."""
    left = list(texts)

    def reply(_: str) -> Sequence[Chunk]:
        text = left.pop(0) if len(left) > 1 else left[0]
        return [Text(text), Usage(1_000, 10), End("end_turn")]

    return reply


class AtOnce:
    """A thread that has ended when it has been started."""

    def __init__(self, target: Callable[[], None], **_: object) -> None:
        self.start = target


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe is answered before the next thought."""
    monkeypatch.setattr("deepreasoning_cli.pipeline.probes.Thread", AtOnce)


def plan(reasons: Reply, probe: Reply, lengths: Sequence[int] = (10_000,), **fields: Any) -> Plan:
    rates = fields.pop("rates", PROBING)
    return Plan(
        id="id1",
        backend="direct",
        question="6 x 7?",
        prompt=Prompt((Message("user", "6 x 7?"),)),
        reasoner=Model(model="r1", replies=reasons, rates=REASONING),
        answerer=Model(model="sonnet", replies=says("42"), rates=READING),
        probing=Probing(
            provider=Model(model="haiku", replies=probe, rates=rates),
            reader=READING,
            lengths=lambda: lengths,
        ),
        **fields,
    )


def record_of(turn: Plan) -> TurnRecord:
    record = TurnRecord()
    for event in run_turn(turn):
        record.apply(event)
    record.close(complete=True)
    return record


def sent(turn: Plan) -> list[int]:
    """How many tokens of thought each probe has read, after the turn."""
    assert turn.probing
    prompts: list[Prompt] = turn.probing.provider.prompts  # type: ignore[attr-defined]
    return [prompt.messages[-1].text.count("a") // (4 * STEP - 4) * STEP for prompt in prompts]


def dues(upto: int) -> Iterator[int]:
    due = float(FIRST)
    while due <= upto:
        yield -(-int(due) // STEP) * STEP  # the end of the thought in which it falls due
        due *= GROWTH


@pytest.mark.usefixtures("at_once")
def test_two_answers_in_a_row_that_agree_end_the_thinking() -> None:
    turn = plan(thoughts(100), says("41", "It is **42**.", "it is 42"))
    record = record_of(turn)
    stage = record.stages[Stage.REASON]
    assert (stage.stop_reason, stage.complete) == (SETTLED, True)
    assert sent(turn) == list(dues(10_000))[:3]
    third = list(dues(10_000))[2]
    assert record.thoughts.tokens == third + STEP  # one thought more: the reply is not waited for
    assert record.settled_after == record.thoughts.tokens
    assert record.reasoned_to_the_end  # so that Claude need not think it through again
    assert record.stages[Stage.PROBE].usage == Usage(3_000, 30)
    assert record.stages[Stage.PROBE].cost == 3 * PROBING.base.cost(Usage(1_000, 10))
    assert record.cost == sum(stage.cost or 0 for stage in record.stages.values())
    assert record.answer == "42"
    assert turn.answerer
    read: Prompt = turn.answerer.prompts[0]  # type: ignore[attr-defined]
    assert read.has_reasoning


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "answers",
    [
        ["41", "42"] * 20,
        ["undecided"],
        ["42", "Undecided.", "42", "undecided"] * 9,
        [""],
    ],
)
def test_without_two_that_agree_the_reasoner_thinks_to_its_end(answers: list[str]) -> None:
    turn = plan(thoughts(60), says(*answers))
    record = record_of(turn)
    assert record.stages[Stage.REASON].stop_reason is None
    assert record.thoughts.tokens == 60 * STEP
    assert sent(turn) == list(dues(6_000))


@pytest.mark.usefixtures("at_once")
def test_what_fails_and_what_is_cut_is_ignored() -> None:
    down = UnavailableError("overloaded", kind="overloaded")
    replies: list[Sequence[Chunk | Exception]] = [
        [down],
        [Text("42"), Usage(1_000, 10), End("end_turn")],
        [Text("42"), Usage(1_000, 60), End("max_tokens")],
        [Text("42"), down],
        [ValueError("a bug")],
        [Text("42"), Usage(1_000, 10), End("end_turn")],
    ]
    left = iter(replies)
    turn = plan(thoughts(100), lambda _: next(left))
    seen = list(run_turn(turn))
    assert len(sent(turn)) == 6
    ends = [event.finished for event in seen if isinstance(event, ProbeFinished)]
    assert [end.usage is None for end in ends] == [True, False, False, False, True, False]
    record = TurnRecord()
    for event in seen:
        record.apply(event)
    assert record.stages[Stage.REASON].stop_reason == SETTLED
    counted = record.stages[Stage.PROBE].usage
    assert counted
    assert counted.estimated
    assert counted.input_tokens > 3_000  # that of the one that broke off is an estimate


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("lengths", [[], [500], [FIRST] * 9])
def test_none_is_sent_that_cannot_save_what_it_costs(lengths: list[int]) -> None:
    turn = plan(thoughts(30), says("42"), lengths)
    assert record_of(turn).thoughts.tokens == 3_000
    assert sent(turn) == []


@pytest.mark.usefixtures("at_once")
def test_all_of_them_never_cost_more_than_stopping_then_would_have_saved() -> None:
    dear = RateCard(Rates(Decimal(2), Decimal(10)))
    lengths = [1_000, 3_000, 9_000]
    turn = plan(thoughts(150), says("41", "42", "43", "44"), lengths, rates=dear)
    spent, thought = Decimal(0), 0

    def saves(tokens: float) -> Decimal:
        left = [length - int(tokens) for length in lengths if length > tokens]
        rate = REASONING.base.output + READING.base.input
        return sum(left) * rate / len(left) / MILLION if left else Decimal(0)

    for event in run_turn(turn):
        match event:
            case Thought(text):
                thought += len(text) // 4
            case ProbeStarted(start):
                cost = spent + dear.base.cost(start.estimate(60))
                assert cost <= max(saves(thought), saves(thought * GROWTH))
            case ProbeFinished(finished):
                spent += finished.cost or 0
    assert sent(turn)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("unknown", ["probe", "reasoner"])
def test_nothing_is_sent_where_a_rate_is_unknown(unknown: str) -> None:
    turn = plan(thoughts(30), says("42"))
    model: Any = turn.reasoner if unknown == "reasoner" else turn.probing and turn.probing.provider
    model.rates = None
    record_of(turn)
    assert sent(turn) == []


@pytest.mark.usefixtures("at_once")
def test_under_a_cap_a_tenth_of_what_is_left_is_for_probes_and_the_answer_comes() -> None:
    cap = Cap("max_cost", Decimal("0.02"))
    turn = plan(thoughts(60), says("1", "2", "3", "4"), caps=Caps((cap,), answers=True))
    record = record_of(turn)
    paid = record.stages[Stage.PROBE].cost
    assert paid is not None
    assert 0 < paid <= cap.amount / 10
    assert record.answer == "42"
    assert record.cost is not None
    assert record.cost <= cap.amount
    least = plan(thoughts(60), says("42"), caps=Caps((Cap("max_cost", Decimal("0.001")),)))
    with pytest.raises(IncompleteError):
        record_of(least)
    assert sent(least) == []


def test_a_reasoner_is_never_held_up_and_a_late_probe_is_counted() -> None:
    """The probe is answered when Claude has answered: not before."""
    answered, over = threading.Event(), threading.Event()

    def slow(_: str) -> Iterator[Chunk]:
        assert answered.wait(60)
        yield from (Text("42"), Usage(1_000, 10), End("end_turn"))

    def reply(text: str) -> Iterator[Chunk]:
        yield Text("42")
        answered.set()
        assert over.wait(60)
        yield End("end_turn")

    class Noted(deque[object]):
        def append(self, item: object) -> None:
            super().append(item)
            over.set()

    turn = plan(thoughts(60), slow)  # type: ignore[arg-type]
    turn = replace(turn, answerer=Model(model="sonnet", replies=reply, rates=READING))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("deepreasoning_cli.pipeline.probes.deque", Noted)
        seen = list(run_turn(turn))
    assert len(sent(turn)) == 1  # one at a time
    kinds = [type(event) for event in seen]
    assert kinds.index(ProbeFinished) > kinds.index(Text)
    record = TurnRecord()
    for event in seen:
        record.apply(event)
    assert record.stages[Stage.REASON].stop_reason is None
    assert record.stages[Stage.PROBE].usage == Usage(1_000, 10)


def test_a_probe_that_still_runs_at_the_end_is_estimated() -> None:
    record = TurnRecord()
    start = StageStarted(Stage.PROBE, "haiku", 700, PROBING, NOON)
    record.apply(ProbeStarted(start, 5_000))
    record.close(complete=False)
    stage = record.stages[Stage.PROBE]
    assert (stage.usage, stage.cost) == (start.estimate(), PROBING.base.cost(Usage(700, 0)))


@pytest.mark.usefixtures("at_once")
def test_of_a_long_chain_of_thought_a_probe_reads_both_ends() -> None:
    turn = plan(thoughts(600, lambda tokens: f"<{tokens}>"), says(*map(str, range(99))), [100_000])
    record_of(turn)
    assert turn.probing
    prompts: list[Prompt] = turn.probing.provider.prompts  # type: ignore[attr-defined]
    longest = max(prompt.tokens for prompt in prompts)
    assert MOST_READ < longest < MOST_READ + 1_000
    assert "<0>" in prompts[-1].text
    assert "[…]" in prompts[-1].text
