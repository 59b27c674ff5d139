"""The forecast that `price "prompt"` rests on."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.estimate import UsageForecast
from deepreasoning_cli.history.queries import ASSUMED, StageCost
from deepreasoning_cli.pipeline.money import Usage

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


def rows(tokens: list[int], stage: str = "answer", complete: bool = True) -> list[StageCost]:
    return [
        StageCost(
            turn=str(n),
            session=None,
            started=NOW,
            complete=complete,
            stage=stage,
            model="m",
            usage=Usage(1, count),
            cost=Decimal(1),
        )
        for n, count in enumerate(tokens)
    ]


def test_the_three_cases_are_the_tenth_the_median_and_the_ninetieth_percentile() -> None:
    forecast = UsageForecast.of(rows(list(range(10, 110, 10))))
    assert (forecast.answer, forecast.turns) == ((10, 50, 90), 10)
    assert forecast.reasoning == ASSUMED["reason"]


def test_unfinished_turns_say_nothing_about_lengths() -> None:
    assert UsageForecast.of(rows([1] * 10, complete=False)) == UsageForecast(
        ASSUMED["reason"], ASSUMED["answer"]
    )


def test_only_the_newest_thousand_turns_count() -> None:
    assert UsageForecast.of(rows([9] * 500 + [1] * 1_000)).answer == (1, 1, 1)


def test_the_cases_of_a_question_leave_the_reasoning_out_where_nothing_reasons() -> None:
    forecast = UsageForecast((1, 2, 3), (4, 5, 6))
    whole = [Tokens(7, 1, 4), Tokens(7, 2, 6), Tokens(7, 3, 26)]
    assert forecast.cases(7, (0, 1, 20), thinks=True) == whole
    assert forecast.cases(7, (0, 0, 0), thinks=False)[2] == Tokens(7, 0, 6)
