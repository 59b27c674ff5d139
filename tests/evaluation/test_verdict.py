"""What arms come to: comparisons, the Pareto front, the sentence; and 200 simulated worlds."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from deepreasoning_cli.evaluation.verdict import (
    ArmResult,
    compare_arms,
    pareto_front,
    verdict,
)
from support.simulated_worlds import draw_accuracies, draw_right, is_true


def arm(name: str, right: str, cost: str | None = "1", baseline: str | None = None) -> ArmResult:
    """An arm from its results: `1` right, `0` wrong, `-` not answered."""
    results = {str(place): mark == "1" for place, mark in enumerate(right) if mark != "-"}
    return ArmResult(
        name=name,
        right=results,
        cost_usd=Decimal(cost) if cost is not None else None,
        seconds=1.0,
        baseline=baseline,
    )


def judged(*arms: ArmResult) -> str:
    return verdict(compare_arms(arms))


def test_a_comparison_counts_the_questions_that_both_answered() -> None:
    [one] = compare_arms(
        [arm("alone", "1100-10"), arm("pair", "1011111", baseline="alone")],
    )
    assert (one.asked, one.only_arm, one.only_baseline) == (6, 3, 1)
    assert one.p == one.adjusted_p == 0.625
    assert one.outcome == "no difference shown"


def test_an_arm_without_a_difference_is_told_with_its_price() -> None:
    right = "1" * 30 + "0" * 10
    assert judged(
        arm("Claude alone", right, "1"), arm("the pair", right, "2.3", "Claude alone")
    ) == ("no difference shown; the pair costs 2.3 times as much")


def test_a_better_arm_is_told_with_what_it_is_better_by() -> None:
    assert judged(
        arm("Claude alone", "1" * 30 + "0" * 30, "1"),
        arm("the pair", "1" * 45 + "0" * 15, "0.98", "Claude alone"),
        arm("a third", "1" * 42 + "0" * 18, "3", "Claude alone"),
    ) == (
        "the pair is better than Claude alone: 75 % right against 50 % (p < 0.001);"
        " it costs the same; a third is better, too"
    )


def test_a_worse_arm_is_told_behind_a_better_one() -> None:
    assert judged(
        arm("alone", "1" * 30 + "0" * 30, "1"),
        arm("pair", "1" * 45 + "0" * 15, "1", "alone"),
        arm("R1", "1" * 10 + "0" * 50, "1", "alone"),
    ).endswith("it costs the same; R1 is worse")


def test_a_worse_arm_is_told_where_none_is_better() -> None:
    assert judged(
        arm("Claude alone", "1" * 40 + "0" * 20),
        arm("R1 alone", "1" * 20 + "0" * 40, "0.01", "Claude alone"),
        arm("the pair", "1" * 40 + "0" * 20, "1", "Claude alone"),
    ) == (
        "R1 alone is worse than Claude alone: 33 % right against 67 % (p < 0.001);"
        " no arm is shown to be better"
    )


def test_several_arms_without_a_difference_are_told_with_their_prices() -> None:
    assert judged(
        arm("alone", "10" * 20, "1"),
        arm("pair", "10" * 20, "25", "alone"),
        arm("R1", "10" * 20, "0.05", "alone"),
        arm("unpriced", "10" * 20, None, "alone"),
    ) == (
        "no difference shown for any of 3 arms; pair costs 25 times as much;"
        " R1 costs less than a tenth"
    )


def test_too_few_questions_are_called_so() -> None:
    assert judged(arm("alone", "10101"), arm("pair", "11111", "2", "alone")) == (
        "5 questions are too few to show any difference"
    )
    assert judged(arm("alone", "1"), arm("pair", "1", "2", "alone")) == (
        "1 question is too few to show any difference"
    )
    assert judged(arm("alone", "-"), arm("pair", "-", "2", "alone")) == (
        "no question was answered and checked"
    )
    assert judged(arm("alone", "1")).startswith("there is nothing to compare")


def test_each_arm_is_compared_with_its_own_baseline() -> None:
    arms = [
        arm("opus", "1111"),
        arm("haiku", "0000"),
        arm("opus pair", "1111", baseline="opus"),
        arm("haiku pair", "1111", baseline="haiku"),
    ]
    assert [one.baseline.name for one in compare_arms(arms)] == ["opus", "haiku"]


def test_one_difference_in_five_is_corrected_for_the_other_four() -> None:
    """Six to nothing is p = 0.031 alone, and five times that among five."""
    base = arm("alone", "0" * 6 + "1" * 14)
    first = arm("pair", "1" * 20, baseline="alone")
    assert compare_arms([base, first])[0].outcome == "better"
    same = [arm(f"same {place}", "0" * 6 + "1" * 14, baseline="alone") for place in range(4)]
    [one, *_] = compare_arms([base, first, *same])
    assert (one.p, one.adjusted_p) == pytest.approx((0.03125, 0.15625))
    assert one.outcome == "no difference shown"


def test_the_pareto_front_has_what_nothing_beats() -> None:
    arms = [
        arm("cheap", "1000", "1"),
        arm("dear and worse", "1000", "2"),
        arm("dear", "1110", "3"),
        arm("as good for less", "1110", "2.5"),
        arm("unpriced", "1111", None),
        arm("unanswered", "----", "1"),
    ]
    assert [one.name for one in pareto_front(arms)] == ["cheap", "as good for less"]


def test_equal_arms_are_both_on_the_front() -> None:
    arms = [arm("a", "10", "1"), arm("b", "01", "1")]
    assert pareto_front(arms) == arms


def simulated(
    draws: random.Random, accuracies: dict[str, float], questions: int, likeness: float
) -> list[ArmResult]:
    """A world: what its arms get right."""
    return [
        ArmResult(
            name=name,
            right=results,
            cost_usd=Decimal(1),
            seconds=1.0,
            baseline=None if name == "alone" else "alone",
        )
        for name, results in draw_right(draws, accuracies, questions, likeness).items()
    ]


def test_the_verdict_is_right_and_intervals_cover_in_200_worlds() -> None:
    """Every third world has no difference; one verdict is that of all arms of a world together."""
    draws = random.Random(18)
    right_verdicts, shown, covered, intervals = 0, 0, 0, 0
    for world in range(200):
        others = ("pair", "answer", "both", "R1")[: draws.randint(1, 4)]
        accuracies = draw_accuracies(draws, world, others)
        arms = simulated(draws, accuracies, draws.choice([40, 60, 100, 200]), draws.random())
        comparisons = compare_arms(arms)
        right_verdicts += all(
            is_true(one.outcome, accuracies[one.arm.name] - accuracies["alone"], one.smallest)
            for one in comparisons
        )
        shown += any(one.outcome != "no difference shown" for one in comparisons)
        for one in arms:
            covered += one.interval.low <= accuracies[one.name] <= one.interval.high
            intervals += 1
    assert right_verdicts >= 190, right_verdicts
    assert 60 <= shown <= 133, "a verdict that never tells a difference is worth nothing"
    assert 0.93 <= covered / intervals <= 0.97, covered / intervals


@pytest.mark.parametrize("arms", [1, 4])
def test_without_any_difference_one_is_told_in_at_most_one_world_of_twenty(arms: int) -> None:
    draws = random.Random(arms)
    accuracies = dict.fromkeys(["alone", *map(str, range(arms))], 0.6)
    false = 0
    for _ in range(400):
        comparisons = compare_arms(simulated(draws, accuracies, 60, 0.5))
        false += any(one.outcome != "no difference shown" for one in comparisons)
    assert false <= 20


def test_a_difference_of_the_size_that_a_sample_shows_is_told_four_times_in_five() -> None:
    """Of arms that get the same questions right, but for those that the better one has more."""
    draws = random.Random(7)
    [one] = compare_arms(
        [
            replace(each, name=name, baseline=base)
            for each, name, base in zip(
                simulated(draws, {"alone": 0.5, "pair": 0.5}, 100, 1.0),
                ("alone", "pair"),
                (None, "alone"),
                strict=True,
            )
        ]
    )
    assert one.smallest is not None
    worlds = 300
    told = sum(
        compare_arms(simulated(draws, {"alone": 0.5, "pair": 0.5 + one.smallest}, 100, 1.0))[
            0
        ].outcome
        == "better"
        for _ in range(worlds)
    )
    assert 0.74 <= told / worlds <= 0.9
