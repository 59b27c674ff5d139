"""The statistics of `eval`, against published values and against exact enumeration."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import comb, sqrt
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepreasoning_cli.evaluation.significance import (
    ALPHA,
    critical_count,
    cumulative,
    holm,
    mcnemar,
    mcnemar_power,
    probability,
    smallest_difference,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("right", "asked", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0000, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_intervals_are_those_of_newcombe_1998(
    right: int, asked: int, expected: tuple[float, float]
) -> None:
    """Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    interval = wilson_interval(right, asked)
    assert (round(interval.low, 4), round(interval.high, 4)) == expected


def test_without_a_question_anything_is_possible() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize("asked", [20, 60, 200])
def test_wilson_intervals_cover_what_they_promise(asked: int) -> None:
    """Exactly, by the sum over all outcomes, on average over shares from 5 % to 95 %."""
    covered = []
    for percent in range(5, 96):
        share = percent / 100
        hits = [
            probability(right, asked, share)
            for right in range(asked + 1)
            if wilson_interval(right, asked).low <= share <= wilson_interval(right, asked).high
        ]
        covered.append(sum(hits))
    assert 0.94 <= sum(covered) / len(covered) <= 0.96


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [
        (7, 1, "0.0703"),  # Bentur et al. 2009, as Fagerland et al. 2013 compute it
        (0, 6, "0.0312"),
        (0, 5, "0.0625"),
        (0, 0, "1.0000"),
        (3, 3, "1.0000"),
    ],
)
def test_mcnemar_has_the_published_values(only_first: int, only_second: int, expected: str) -> None:
    assert f"{mcnemar(only_first, only_second):.4f}" == expected


@given(st.integers(0, 9), st.integers(0, 9))
def test_mcnemar_is_the_share_of_all_splits_that_are_as_uneven(first: int, second: int) -> None:
    differing = first + second
    uneven = sum(
        abs(2 * count - differing) >= abs(first - second)
        for count in range(differing + 1)
        for _ in range(comb(differing, count))
    )
    assert mcnemar(first, second) == float(Fraction(uneven, 2**differing))


def test_thousands_of_differing_answers_are_no_trouble() -> None:
    z = 200 / sqrt(10_000)
    assert mcnemar(5_100, 4_900) == pytest.approx(2 * (1 - NormalDist().cdf(z - 0.01)), rel=0.01)


def test_holm_is_that_of_the_r_manual() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_lowers_nothing(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(after >= before for before, after in zip(values, adjusted, strict=True))
    assert all(
        adjusted[i] <= adjusted[j]
        for i, j in product(range(len(values)), repeat=2)
        if values[i] < values[j]
    )


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 20))
def test_sums_over_the_binomial_are_exact(count: int, trials: int, twentieths: int) -> None:
    share = Fraction(twentieths, 20)
    exact = sum(
        comb(trials, number) * share**number * (1 - share) ** (trials - number)
        for number in range(min(count, trials) + 1)
    )
    assert cumulative(count, trials, float(share)) == pytest.approx(float(exact), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.05 / 4])
def test_the_critical_count_is_the_last_one_that_the_test_rejects(alpha: float) -> None:
    for differing in range(150):
        found = [c for c in range(differing // 2 + 1) if mcnemar(c, differing - c) <= alpha]
        assert critical_count(differing, alpha) == max(found, default=-1)


@given(st.integers(1, 14), st.integers(1, 10), st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_power_is_the_probability_of_all_tables_that_the_test_rejects(
    asked: int, tenths: int, part: int
) -> None:
    differing = tenths / 10
    difference = differing * part / 10
    first, second = (differing + difference) / 2, (differing - difference) / 2
    exact = 0.0
    for only_first in range(asked + 1):
        for only_second in range(asked + 1 - only_first):
            same = asked - only_first - only_second
            if mcnemar(only_first, only_second) <= ALPHA:
                ways = comb(asked, only_first) * comb(asked - only_first, only_second)
                chance = first**only_first * second**only_second * (1 - first - second) ** same
                exact += ways * chance
    assert mcnemar_power(asked, differing, difference) == pytest.approx(exact, abs=1e-9)


def test_power_comes_near_connor_s_formula_in_large_samples() -> None:
    """Connor, Biometrics 43 (1987): the sample for a power of 80 % at the level of 5 %."""
    differing, difference = 0.3, 0.1
    z_alpha, z_power = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)
    needed = (
        (z_alpha * sqrt(differing) + z_power * sqrt(differing - difference**2)) / difference
    ) ** 2
    assert mcnemar_power(round(needed), differing, difference) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("asked", "differing"), [(30, 6), (60, 12), (200, 50), (1_000, 150)])
def test_the_smallest_difference_is_seen_four_times_in_five_and_no_smaller_one(
    asked: int, differing: int
) -> None:
    smallest = smallest_difference(asked, differing)
    assert smallest is not None
    share = differing / asked
    assert mcnemar_power(asked, max(share, smallest), smallest) >= 0.8
    below = smallest - 0.001
    assert mcnemar_power(asked, max(share, below), below) < 0.8


def test_a_handful_of_questions_shows_nothing() -> None:
    assert [smallest_difference(asked, 0) for asked in (0, 5)] == [None, None]
    assert smallest_difference(6, 0) is not None
    assert smallest_difference(6, 0, alpha=0.01) is None
