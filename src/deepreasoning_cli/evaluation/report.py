"""What an evaluation came to: as an object for programs, and as a table and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

from deepreasoning_cli.evaluation.arms import EvaluationArm, baseline_of
from deepreasoning_cli.evaluation.checkers import JudgeCriterion
from deepreasoning_cli.evaluation.turns import ArmOutcome, QuestionOutcome
from deepreasoning_cli.evaluation.verdict import (
    ArmResult,
    PairedComparison,
    compare_arms,
    pareto_front,
    verdict,
)
from deepreasoning_cli.pipeline.money import decimal_usd, format_usd
from deepreasoning_cli.views.table import Column, table

MOST_NOTES: Final = 5  # answers that could not be checked, which are named
COLUMNS: Final = (
    Column("arm"),
    Column("right", right=True),
    Column("95 % interval", right=True),
    Column("against Claude alone"),
    Column("p", right=True),
    Column("shows from", right=True, drop_order=2),
    Column("a question", right=True),
    Column("seconds", right=True, drop_order=1),
    Column("Pareto"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmReport:
    """An arm with its comparison; it is on the front where no other arm beats it."""

    arm: EvaluationArm
    result: ArmResult
    comparison: PairedComparison | None
    is_on_front: bool

    def as_json(self) -> dict[str, Any]:
        """The object of the arm. Money is a decimal string, None where a rate is not known."""
        result, one = self.result, self.comparison
        return {
            "name": self.arm.name,
            "kind": str(self.arm.kind),
            "model": self.arm.model,
            "effort": self.arm.effort,
            "asked": result.asked,
            "right": sum(result.right.values()),
            "accuracy": round(result.accuracy, 4),
            "interval": [round(result.interval.low, 4), round(result.interval.high, 4)],
            "cost_usd": decimal_usd(result.cost_usd),
            "seconds": round(result.seconds, 3),
            "on_pareto_front": self.is_on_front,
            "comparison": {
                "baseline": one.baseline.name,
                "asked": one.asked,
                "only_arm_right": one.only_arm,
                "only_baseline_right": one.only_baseline,
                "p": round(one.p, 6),
                "adjusted_p": round(one.adjusted_p, 6),
                "outcome": one.outcome,
                "smallest_difference": one.smallest,
                "cost_ratio": None if one.cost_ratio is None else round(float(one.cost_ratio), 3),
            }
            if one
            else None,
        }

    def cells(self) -> list[str]:
        """The cells of `COLUMNS`."""
        result, one = self.result, self.comparison
        low, high = result.interval
        cost = result.cost_per_question
        seconds = result.seconds / result.asked if result.asked else 0.0
        return [
            self.arm.name,
            f"{sum(result.right.values())} of {result.asked}",
            f"{100 * low:.0f}–{100 * high:.0f} %",
            one.outcome if one else "",
            _p_in_table(one.adjusted_p) if one else "",
            f"{100 * one.smallest:.0f} points" if one and one.smallest is not None else "",
            "unknown" if cost is None else format_usd(cost),
            f"{seconds:.1f}",
            "*" if self.is_on_front else "",
        ]


class EvaluationReport:
    """The arms of an evaluation, from the outcomes of its questions."""

    def __init__(self, arms: Sequence[EvaluationArm], outcomes: Sequence[QuestionOutcome]) -> None:
        self._arms = arms
        self.outcomes = outcomes
        self.questions = len(outcomes)

    def _of(self, arm: EvaluationArm) -> list[ArmOutcome]:
        return [one for outcome in self.outcomes for one in outcome.arms if one.arm == arm]

    @cached_property
    def results(self) -> list[ArmResult]:
        """What each arm got right, of the questions that were answered and could be checked."""
        results = []
        for arm in self._arms:
            checked = [one for one in self._of(arm) if one.check.right is not None]
            costs = [one.cost for one in checked]
            known = [cost for cost in costs if cost is not None]
            baseline = baseline_of(arm, self._arms)
            results.append(
                ArmResult(
                    name=arm.name,
                    right={one.row.id: bool(one.check.right) for one in checked},
                    cost_usd=None if len(known) < len(costs) else sum(known, Decimal(0)),
                    seconds=sum(one.seconds for one in checked),
                    baseline=baseline.name if baseline else None,
                )
            )
        return results

    @cached_property
    def arms(self) -> list[ArmReport]:
        """The arms in their order."""
        comparisons = {one.arm.name: one for one in self.comparisons}
        front = {one.name for one in pareto_front(self.results)}
        return [
            ArmReport(
                arm=arm,
                result=result,
                comparison=comparisons.get(arm.name),
                is_on_front=arm.name in front,
            )
            for arm, result in zip(self._arms, self.results, strict=True)
        ]

    @cached_property
    def comparisons(self) -> list[PairedComparison]:
        """Each arm beside what it is compared with."""
        return compare_arms(self.results)

    @property
    def verdict(self) -> str:
        """The sentence."""
        return verdict(self.comparisons)

    @property
    def failed(self) -> list[ArmOutcome]:
        """What was not answered: the next run asks it again."""
        return [one for outcome in self.outcomes for one in outcome.arms if one.failure]

    @property
    def missing(self) -> str:
        """`1 answer is missing`, `2 answers are missing`."""
        count = len(self.failed)
        return "1 answer is missing" if count == 1 else f"{count:,} answers are missing"

    @property
    def unchecked(self) -> list[ArmOutcome]:
        """Answers that nobody could say of whether they are right."""
        every = [one for outcome in self.outcomes for one in outcome.arms]
        return [one for one in every if one.check.right is None and not one.failure]

    @property
    def is_opinion(self) -> bool:
        """Whether any answer was judged by a model."""
        return any(isinstance(one.row.checker, JudgeCriterion) for one in self.outcomes)

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`, without what the run cost."""
        return {
            "questions": self.questions,
            "verdict": self.verdict,
            "opinion": self.is_opinion,
            "correction": "holm" if len(self.comparisons) > 1 else None,
            "arms": [arm.as_json() for arm in self.arms],
            "failed": [_named(one) for one in self.failed],
            "unchecked": [_named(one) for one in self.unchecked],
        }

    def lines(self, width: int | None) -> list[str]:
        """The table, what has to be known about it, and the sentence."""
        lines = [*table(COLUMNS, [arm.cells() for arm in self.arms], width).lines, ""]
        lines += [f"note: {note}" for note in self.notes()]
        return [*lines, self.verdict]

    def notes(self) -> list[str]:
        """What has to be known about the figures."""
        notes = []
        if len(self.comparisons) > 1:
            notes.append(f"p is corrected for {len(self.comparisons)} comparisons (Holm)")
        if self.is_opinion:
            notes.append("answers were judged by a model: what is right is its opinion")
        if self.failed:
            notes.append(f"{self.missing}; run it again to go on")
        unchecked = self.unchecked
        notes += [
            f"{one.row.id}, {one.arm.name}: not checked: {one.check.note}"
            for one in unchecked[:MOST_NOTES]
        ]
        if len(unchecked) > MOST_NOTES:
            notes.append(f"not checked, besides these: {len(unchecked) - MOST_NOTES:,}")
        return notes


def _p_in_table(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _named(one: ArmOutcome) -> dict[str, str]:
    return {"id": one.row.id, "arm": one.arm.name, "why": one.check.note}
