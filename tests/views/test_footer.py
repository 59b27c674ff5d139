from __future__ import annotations

from decimal import Decimal

import pytest

from deepreasoning_cli.pipeline.events import Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.views.notes import format_duration, stage_summary, turn_summary


def stage(
    stage: Stage = Stage.REASON,
    usage: Usage | None = None,
    cost: str | None = None,
    seconds: float = 41.2,
    served: str | None = None,
) -> StageFinished:
    known = None if cost is None else Decimal(cost)
    return StageFinished(stage, f"asked-{stage}", served, usage, known, seconds, "stop")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (8.24, "8.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (41.4, "41 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185.2, "3 min 5 s"),
        (3600, "60 min 0 s"),
    ],
)
def test_time_is_said_as_exactly_as_it_matters(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("finished", "line"),
    [
        (stage(usage=Usage(9, 3120), cost="0.0070"), "41 s · 3,120 tokens · $0.0070"),
        (
            stage(usage=Usage(9, 3120, estimated=True), cost="0.0070"),
            "41 s · ≈3,120 tokens · ≈$0.0070",
        ),
        (stage(usage=Usage(9, 3120)), "41 s · 3,120 tokens · cost unknown"),
        (stage(), "41 s"),
    ],
)
def test_a_stage_in_one_line(finished: StageFinished, line: str) -> None:
    assert stage_summary(finished) == line


def record(*stages: StageFinished) -> TurnRecord:
    return TurnRecord(stages={each.stage: each for each in stages}, total=52.1)


@pytest.mark.parametrize(
    ("turn", "line"),
    [
        (
            record(
                stage(Stage.REASON, Usage(1000, 2000), "0.01", served="r1-0528"),
                stage(Stage.ANSWER, Usage(400, 12), "0.0023"),
            ),
            "r1-0528 → asked-answer · 3,412 tokens · $0.0123 · 52 s",
        ),
        (
            record(
                stage(Stage.REASON, Usage(1000, 2000, estimated=True), "0.01"),
                stage(Stage.ANSWER, Usage(400, 12), None),
            ),
            "asked-reason → asked-answer · ≈3,412 tokens · cost unknown · 52 s",
        ),
        (
            record(stage(Stage.ANSWER, Usage(1, 2, estimated=True), "0.5")),
            "asked-answer · ≈3 tokens · ≈$0.5000 · 52 s",
        ),
        (record(stage(Stage.ANSWER)), "asked-answer · 0 tokens · $0 · 52 s"),
    ],
)
def test_a_turn_in_one_line(turn: TurnRecord, line: str) -> None:
    assert turn_summary(turn) == line


@pytest.mark.parametrize(
    ("saved", "line"),
    [
        ("0.02224", "asked-answer · 12,357 tokens · $0.0500 · 12,345 cached, $0.0222 saved · 52 s"),
        ("0.0001", "asked-answer · 12,357 tokens · $0.0500 · 12,345 cached, $0.0001 saved · 52 s"),
        ("0.00009", "asked-answer · 12,357 tokens · $0.0500 · 52 s"),
        ("-0.5", "asked-answer · 12,357 tokens · $0.0500 · 52 s"),
    ],
)
def test_what_a_cache_saved_stands_behind_the_cost_if_it_is_worth_a_word(
    saved: str, line: str
) -> None:
    turn = record(stage(Stage.ANSWER, Usage(12_350, 7, None, 12_345), "0.05"))
    turn.saved = Decimal(saved)
    assert turn_summary(turn) == line
