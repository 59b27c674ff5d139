"""The parts of `price` that compute: bars, percentiles."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.cli.price.estimate import ASSUMED, UsageForecast
from deepreasoning_cli.cli.price.spending import bar
from deepreasoning_cli.history.queries import StageCost
from deepreasoning_cli.pipeline.money import Usage

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "unicode", "expected"),
    [
        ("8", True, "████████"),
        ("4", True, "████"),
        ("1", True, "█"),
        ("0.5", True, "▌"),
        ("1.125", True, "█▏"),
        ("0.0001", True, "▏"),
        ("0", True, ""),
        ("8", False, "########"),
        ("3.9", False, "###"),
        ("0.0001", False, "#"),
    ],
)
def test_a_bar_is_as_long_as_its_value(value: str, unicode: bool, expected: str) -> None:
    assert bar(Decimal(value), Decimal(8), 8, unicode=unicode) == expected


@given(
    st.decimals(0, 100, places=6), st.decimals(0, 100, places=6), st.integers(0, 60), st.booleans()
)
def test_a_bar_never_leaves_its_room(
    one: Decimal, other: Decimal, width: int, unicode: bool
) -> None:
    small, large = sorted((one, other))
    assert len(bar(small, large, width, unicode=unicode)) <= width


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
    assert forecast.cases(7, thinks=True) == [Tokens(7, 1, 4), Tokens(7, 2, 5), Tokens(7, 3, 6)]
    assert forecast.cases(7, thinks=False)[2] == Tokens(7, 0, 6)
