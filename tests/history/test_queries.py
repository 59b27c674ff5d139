"""Queries over all turns: what was spent is the sum of the stored turns, however it is grouped."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepreasoning_cli.history.queries import (
    GROUPINGS,
    CostSum,
    StageCost,
    group_costs,
    output_lengths,
    sum_costs,
)
from deepreasoning_cli.pipeline.events import (
    Event,
    Handoff,
    Stage,
    StageFinished,
    Text,
    Thought,
    TurnStarted,
)
from deepreasoning_cli.pipeline.money import Usage
from support.sample_turns import open_store, record_of, turn_events

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
costs = st.none() | st.decimals(0, 10, places=8)
counts = st.integers(0, 10**6)
rows = st.lists(
    st.builds(
        StageCost,
        turn=st.sampled_from(["a", "b", "c", "d"]),
        session=st.none() | st.sampled_from(["work", "play"]),
        started=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)).map(
            lambda when: when.replace(tzinfo=UTC)
        ),
        complete=st.booleans(),
        stage=st.sampled_from([str(stage) for stage in Stage]),
        model=st.sampled_from(["r1", "sonnet"]),
        usage=st.none() | st.builds(Usage, counts, counts),
        cost=costs,
    )
)


def finished(stage: Stage, model: str, usage: Usage | None, cost: str | None) -> StageFinished:
    amount = None if cost is None else Decimal(cost)
    return StageFinished(stage, model, None, usage, amount, 1.0, "stop")


def turn(
    name: str, *stages: StageFinished, session: str | None = None, backend: str = "direct"
) -> list[Event]:
    begun = TurnStarted(name, backend, "?", Handoff.REASONING, session)
    return [begun, Thought("so"), Text("42"), *stages]


def kept(folder: Path, turns: Sequence[list[Event]], days_ago: int = 0) -> None:
    with open_store(folder) as store:
        for events in turns:
            store.save(record_of(events), began=NOON - timedelta(days=days_ago))


def spent(folder: Path, since: datetime | None = None) -> list[StageCost]:
    with open_store(folder) as store:
        return store.spending(since)


def test_each_stage_of_a_turn_is_a_row_with_what_it_cost(tmp_path: Path) -> None:
    kept(tmp_path, [turn_events("turn1", "work")])
    turn1 = partial(StageCost, turn="turn1", session="work", started=NOON, complete=True)
    assert spent(tmp_path) == [
        turn1(
            stage="answer",
            model="claude-sonnet-5",
            usage=Usage(60, 5),
            cost=Decimal("1.5E-7"),
            stop_reason="end_turn",
        ),
        turn1(
            stage="reason",
            model="deepseek-v4-pro",
            usage=Usage(11, 40, 40, 3, estimated=True),
            cost=Decimal("0.0000200"),
        ),
    ]


def test_only_turns_that_began_since_then_count(tmp_path: Path) -> None:
    kept(tmp_path, [turn_events("old")], days_ago=3)
    kept(tmp_path, [turn_events("new")])
    assert {row.turn for row in spent(tmp_path, NOON - timedelta(days=1))} == {"new"}
    assert {row.turn for row in spent(tmp_path, NOON)} == {"new"}
    assert {row.turn for row in spent(tmp_path)} == {"old", "new"}


def test_the_demo_is_no_spending(tmp_path: Path) -> None:
    answer = finished(Stage.ANSWER, "demo-answerer", Usage(1, 1), "0")
    kept(tmp_path, [turn("t", answer, backend="demo")])
    assert spent(tmp_path) == []


def test_a_stage_that_never_began_to_cost_is_no_spending(tmp_path: Path) -> None:
    kept(tmp_path, [turn("t", finished(Stage.REASON, "r1", None, None))])
    assert spent(tmp_path) == []


def test_an_unknown_cost_is_counted_and_never_taken_for_nothing(tmp_path: Path) -> None:
    unknown = finished(Stage.REASON, "r1", Usage(10, 20), None)
    kept(tmp_path, [turn("t", unknown)])
    assert sum_costs(spent(tmp_path)) == CostSum(
        turns=1, stages=1, input_tokens=10, output_tokens=20, cost=None, unknown=1
    )
    known = finished(Stage.ANSWER, "sonnet", Usage(30, 40), "0.5")
    kept(tmp_path, [turn("u", unknown, known)])
    assert sum_costs(spent(tmp_path)) == CostSum(
        turns=2, stages=3, input_tokens=50, output_tokens=80, cost=Decimal("0.5"), unknown=2
    )


def test_nothing_costs_nothing() -> None:
    assert sum_costs([]) == CostSum()


@pytest.mark.parametrize("by", GROUPINGS)
@given(found=rows)
def test_the_sum_of_the_groups_is_the_sum_of_all(by: str, found: list[StageCost]) -> None:
    total, groups = sum_costs(found), group_costs(found, GROUPINGS[by]).values()
    known = [group.cost for group in groups if group.cost is not None]
    assert (sum(known, Decimal(0)) if known or not found else None) == total.cost
    for name in ("stages", "input_tokens", "output_tokens", "unknown"):
        assert sum(getattr(group, name) for group in groups) == getattr(total, name)
    assert any(group.estimated for group in groups) == total.estimated


@given(st.lists(st.tuples(costs, costs), min_size=1, max_size=6))
@settings(max_examples=25)
def test_what_was_spent_equals_the_sum_of_the_stored_turns(
    turns: list[tuple[Decimal | None, Decimal | None]],
) -> None:
    stages = ((Stage.REASON, "r1"), (Stage.ANSWER, "sonnet"))
    with tempfile.TemporaryDirectory() as name, open_store(Path(name)) as store:
        for number, pair in enumerate(turns):
            ends = [
                finished(stage, model, Usage(1, 1), None if cost is None else str(cost))
                for (stage, model), cost in zip(stages, pair, strict=True)
            ]
            store.save(record_of(turn(f"turn{number}", *ends)))
        found = store.spending()
        stored = [store.turn(f"turn{number}") for number in range(len(turns))]
    whole_costs = [each.cost for each in stored if each.cost is not None]
    assert sum(whole_costs, Decimal(0)) == sum(
        (
            group.cost or Decimal(0)
            for group in group_costs(found, lambda row: row.turn).values()
            if not group.unknown
        ),
        Decimal(0),
    )
    assert sum_costs(found).unknown == sum(cost is None for pair in turns for cost in pair)


def test_lengths_are_those_of_finished_turns_the_shortest_first(tmp_path: Path) -> None:
    for number, tokens in enumerate([30, 10, 20]):
        kept(tmp_path, [turn(str(number), finished(Stage.ANSWER, "s", Usage(1, tokens), "0"))])
    assert output_lengths(spent(tmp_path), "answer") == [10, 20, 30]
    assert output_lengths(spent(tmp_path), "reason") == []
