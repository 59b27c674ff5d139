"""What a row had cost without `--cheap`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time
from decimal import Decimal

from deepreasoning_cli.cli.batch.run import list_price
from deepreasoning_cli.library.question_rows import Row
from deepreasoning_cli.library.row_turns import RowOutcome
from deepreasoning_cli.pipeline.events import Stage, StageFinished
from deepreasoning_cli.pipeline.money import Hours, RateCard, Rates, Usage
from deepreasoning_cli.pipeline.record import TurnRecord

MORNING = Hours(frozenset(range(7)), ((time(6), time(10)),))
CARD = RateCard(
    Rates(Decimal(1), Decimal(2)), peak=Rates(Decimal(2), Decimal(4)), peak_hours=MORNING
)
AT_PEAK = datetime(2026, 11, 27, 7, tzinfo=UTC)
USAGE = Usage(1_000, 2_000)  # $0.005 off-peak, $0.01 at peak


def outcome(stage: Stage, cost: str, *, batched: bool = False) -> RowOutcome:
    ended = StageFinished(stage, "m", None, USAGE, Decimal(cost), 1.0, "stop")
    record = TurnRecord()
    record.stages[stage] = ended
    row = Row(id=1, prompt="?", line=1)
    return RowOutcome(row=row, answer={}, record=record, cost=Decimal(cost), batched=batched)


def test_reasoning_that_waited_for_cheap_hours_had_cost_what_it_costs_when_the_run_began() -> None:
    reasoned = outcome(Stage.REASON, "0.005")
    assert list_price(reasoned, CARD, AT_PEAK) == Decimal("0.01")
    assert list_price(reasoned, CARD, AT_PEAK.replace(hour=12)) == Decimal("0.005")
    assert list_price(reasoned) == Decimal("0.005")


def test_a_run_that_was_overtaken_by_peak_hours_has_saved_nothing() -> None:
    dear = outcome(Stage.REASON, "0.01")
    assert list_price(dear, CARD, AT_PEAK.replace(hour=5)) == Decimal("0.01")


def test_an_answer_in_a_batch_had_cost_twice_as_much() -> None:
    batched = outcome(Stage.ANSWER, "0.005", batched=True)
    assert list_price(batched) == Decimal("0.01")
    assert list_price(replace(batched, batched=False)) == Decimal("0.005")
