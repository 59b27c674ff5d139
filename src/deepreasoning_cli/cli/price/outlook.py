"""How much a question makes the models write: from the user's own turns, else by assumption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from deepreasoning_cli.cli.price.bill import Tokens
from deepreasoning_cli.history.spending import Spending, lengths

CASES: Final = ("low", "typical", "high")
SHARES: Final = (10, 50, 90)
"""The percentiles of the user's own turns that the three cases stand for."""
FEWEST: Final = 5  # turns; from fewer a percentile says nothing
NEWEST: Final = 1_000  # turns that are looked at: what was long ago was asked of other models

ASSUMED: Final[Mapping[str, tuple[int, int, int]]] = {
    "reason": (500, 2_000, 8_000),
    "answer": (150, 600, 2_500),
}
"""Output tokens of a short, a usual and a hard question, for a user without a history."""


@dataclass(frozen=True, slots=True)
class UsageForecast:
    """Output tokens of each stage, low, typical and high; `turns` they are taken from, or 0."""

    reasoning: tuple[int, int, int]
    answer: tuple[int, int, int]
    turns: int = 0

    @classmethod
    def of(cls, rows: Sequence[Spending]) -> UsageForecast:
        """By the newest turns in `rows`, which are in the order in which they were kept."""
        newest = list(dict.fromkeys(row.turn for row in reversed(rows)))[:NEWEST]
        kept = set(newest)
        recent = [row for row in rows if row.turn in kept]
        answers = lengths(recent, "answer")
        return cls(
            _three("reason", lengths(recent, "reason")),
            _three("answer", answers),
            len(answers) if len(answers) >= FEWEST else 0,
        )

    def cases(self, read: int, *, thinks: bool) -> list[Tokens]:
        """The tokens of the three cases for a question of `read` tokens."""
        pairs = zip(self.reasoning, self.answer, strict=True)
        return [Tokens(read, thought if thinks else 0, written) for thought, written in pairs]


def _three(stage: str, found: Sequence[int]) -> tuple[int, int, int]:
    if len(found) < FEWEST:
        return ASSUMED[stage]
    low, typical, high = (found[-(-len(found) * share // 100) - 1] for share in SHARES)
    return low, typical, high
