"""What a turn used and cost, both stages together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deepreasoning_cli.pipeline.events import Stage, StageFinished
from deepreasoning_cli.pipeline.money import Usage
from deepreasoning_cli.pipeline.record import TurnRecord
from deepreasoning_cli.server.turn import total_usage
from support.ended_turns import stage

REASONED = replace(stage(Stage.REASON, 10, 200, "0.0005"), usage=Usage(10, 200, 150, 4))
ANSWERED = replace(stage(Stage.ANSWER, 230, 50, "0.01"), usage=Usage(230, 50, None, 0, 100))
UNCOUNTED = replace(stage(Stage.ANSWER, 0, 0, None), usage=None)


def record(*stages: StageFinished) -> TurnRecord:
    return TurnRecord(stages={each.stage: each for each in stages})


def test_all_that_the_reasoner_wrote_was_reasoning() -> None:
    assert total_usage(record(REASONED, ANSWERED)) == Usage(240, 250, 200, 4, 100)


def test_what_the_answerer_thought_counts_where_it_is_alone() -> None:
    alone = replace(ANSWERED, usage=Usage(230, 50, 20))
    assert total_usage(record(alone)) == Usage(230, 50, 20)


def test_a_sum_with_an_estimate_in_it_is_one() -> None:
    guessed = replace(ANSWERED, usage=Usage(1, 1, estimated=True))
    assert total_usage(record(REASONED, guessed)) == Usage(11, 201, 200, 4, 0, estimated=True)


@pytest.mark.parametrize("stages", [[], [UNCOUNTED]])
def test_nothing_counted_is_no_usage(stages: list[StageFinished]) -> None:
    assert total_usage(record(*stages)) is None
