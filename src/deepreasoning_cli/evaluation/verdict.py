"""What the arms of an evaluation come to: comparisons, the Pareto front, one plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from deepreasoning_cli.evaluation.significance import (
    ALPHA,
    Interval,
    holm,
    mcnemar,
    smallest_difference,
    wilson_interval,
)

Outcome = Literal["better", "worse", "no difference shown"]
SAME_MONEY: Final = Decimal("0.05")  # a price nearer to the other's than this is "the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What one arm got right. `right` has every question that was answered and checked.

    `cost_usd` and `seconds` are for all of these questions together, as if the arm had been run
    alone: a chain of thought that several arms share counts for each. `baseline` names the arm that
    it is compared with, which is Claude alone; None for that arm itself.
    """

    name: str
    right: Mapping[str, bool]
    cost_usd: Decimal | None
    seconds: float
    baseline: str | None = None

    @property
    def asked(self) -> int:
        """The number of questions that were answered and checked."""
        return len(self.right)

    @property
    def accuracy(self) -> float:
        """The share of right answers, from 0 to 1; 0 without a question."""
        return sum(self.right.values()) / self.asked if self.asked else 0.0

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(sum(self.right.values()), self.asked)

    @property
    def cost_per_question(self) -> Decimal | None:
        """USD; None where a rate is not known, or without a question."""
        return self.cost_usd / self.asked if self.cost_usd is not None and self.asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """An arm beside Claude alone, on the questions that both answered.

    `p` is of the exact McNemar test, `adjusted_p` after Holm's correction for all comparisons of
    the evaluation. `smallest` is the smallest difference of accuracies that so many questions show
    in four of five cases, at the strictest level of that correction; None where they show none.
    """

    arm: ArmResult
    baseline: ArmResult
    asked: int
    only_arm: int
    only_baseline: int
    p: float
    adjusted_p: float
    smallest: float | None

    @property
    def outcome(self) -> Outcome:
        """What the test shows at 5 %."""
        if self.adjusted_p > ALPHA:
            return "no difference shown"
        return "better" if self.only_arm > self.only_baseline else "worse"

    @property
    def cost_ratio(self) -> Decimal | None:
        """How many times as much a question costs; None where a rate is not known, or is 0."""
        ours, theirs = self.arm.cost_per_question, self.baseline.cost_per_question
        return ours / theirs if ours is not None and theirs else None


def compare_arms(arms: Sequence[ArmResult]) -> list[PairedComparison]:
    """Each arm that has a baseline beside it, in the order of the arms.

    Raises KeyError where a baseline is not among the arms.
    """
    named = {arm.name: arm for arm in arms}
    pairs = [(arm, named[arm.baseline]) for arm in arms if arm.baseline is not None]
    counts = [_count(arm, baseline) for arm, baseline in pairs]
    values = [mcnemar(only_arm, only_baseline) for _, only_arm, only_baseline in counts]
    return [
        PairedComparison(
            arm=arm,
            baseline=baseline,
            asked=asked,
            only_arm=only_arm,
            only_baseline=only_baseline,
            p=p,
            adjusted_p=adjusted,
            smallest=smallest_difference(asked, only_arm + only_baseline, ALPHA / len(pairs)),
        )
        for (arm, baseline), (asked, only_arm, only_baseline), p, adjusted in zip(
            pairs, counts, values, holm(values), strict=True
        )
    ]


def _count(arm: ArmResult, baseline: ArmResult) -> tuple[int, int, int]:
    """Questions that both answered, that only the arm got right, that only the baseline did."""
    both = arm.right.keys() & baseline.right.keys()
    only_arm = sum(arm.right[name] and not baseline.right[name] for name in both)
    only_baseline = sum(baseline.right[name] and not arm.right[name] for name in both)
    return len(both), only_arm, only_baseline


def pareto_front(arms: Sequence[ArmResult]) -> list[ArmResult]:
    """The arms that no other one beats in accuracy for no more money, or in money for no less.

    They are judged by what was measured, without regard to chance. An arm whose cost is not known,
    or that answered nothing, is left out.
    """
    known = [(arm, cost) for arm in arms if (cost := arm.cost_per_question) is not None]
    return [
        arm
        for arm, cost in known
        if not any(
            (other.accuracy >= arm.accuracy and price <= cost)
            and (other.accuracy > arm.accuracy or price < cost)
            for other, price in known
        )
    ]


def verdict(comparisons: Sequence[PairedComparison]) -> str:
    """What was found, in one sentence for people, with what it costs."""
    if not comparisons:
        return "there is nothing to compare: one arm has to be Claude alone, another one not"
    better = [one for one in comparisons if one.outcome == "better"]
    worse = [one for one in comparisons if one.outcome == "worse"]
    if better:
        return _better(better, worse)
    if worse:
        return _worse(worse, len(comparisons))
    return _no_difference(comparisons)


def _better(better: Sequence[PairedComparison], worse: Sequence[PairedComparison]) -> str:
    best = max(better, key=lambda one: (one.arm.accuracy, -(one.cost_ratio or Decimal(0))))
    text = f"{best.arm.name} is better than {best.baseline.name}: {_difference(best)}"
    cost = describe_cost(best)
    text += f"; it {cost}" if cost else ""
    text += _also([one for one in better if one is not best], "better, too")
    return text + _also(worse, "worse")


def _worse(worse: Sequence[PairedComparison], compared: int) -> str:
    worst = min(worse, key=lambda one: one.arm.accuracy)
    text = f"{worst.arm.name} is worse than {worst.baseline.name}: {_difference(worst)}"
    text += _also([one for one in worse if one is not worst], "worse, too")
    return text + ("; no arm is shown to be better" if compared > len(worse) else "")


def _also(others: Sequence[PairedComparison], what: str) -> str:
    verb = "is" if len(others) == 1 else "are"
    return f"; {_enumerate([one.arm.name for one in others])} {verb} {what}" if others else ""


def _no_difference(comparisons: Sequence[PairedComparison]) -> str:
    smallest = [one.smallest for one in comparisons]
    if all(value is None for value in smallest):
        asked = max(one.asked for one in comparisons)
        if not asked:
            return "no question was answered and checked"
        few = "1 question is" if asked == 1 else f"{asked} questions are"
        return f"{few} too few to show any difference"
    if len(comparisons) == 1:
        cost = describe_cost(comparisons[0])
        return (
            f"no difference shown; {comparisons[0].arm.name} {cost}"
            if cost
            else ("no difference shown")
        )
    costs = [f"{one.arm.name} {cost}" for one in comparisons if (cost := describe_cost(one))]
    return "; ".join([f"no difference shown for any of {len(comparisons)} arms", *costs])


def describe_cost(comparison: PairedComparison) -> str:
    """`costs 2.3 times as much`, `costs the same`; empty where a rate is not known."""
    ratio = comparison.cost_ratio
    if ratio is None:
        return ""
    if abs(ratio - 1) < SAME_MONEY:
        return "costs the same"
    if ratio < Decimal("0.1"):
        return "costs less than a tenth"
    return (
        f"costs {ratio:.0f} times as much" if ratio >= 20 else (f"costs {ratio:.1f} times as much")
    )


def _difference(comparison: PairedComparison) -> str:
    ours, theirs = comparison.arm.accuracy, comparison.baseline.accuracy
    return (
        f"{_percent(ours)} right against {_percent(theirs)} (p {_format_p(comparison.adjusted_p)})"
    )


def _format_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _enumerate(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
