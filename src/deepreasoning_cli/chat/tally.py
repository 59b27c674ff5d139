"""What this chat has used so far."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from deepreasoning_cli.money import shown
from deepreasoning_cli.record import Record


@dataclass(frozen=True, slots=True)
class Tally:
    """Tokens and USD of the turns that ran here; `estimated` and `unknown` where any of it is."""

    turns: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    estimated: bool = False
    unknown: bool = False

    def plus(self, record: Record) -> Tally:
        """With one more turn, whole or not."""
        stages = record.stages.values()
        used = sum(s.usage.input_tokens + s.usage.output_tokens for s in stages if s.usage)
        known = sum((s.cost for s in stages if s.cost is not None), Decimal(0))
        return Tally(
            self.turns + 1,
            self.tokens + used,
            self.cost + known,
            self.estimated or record.estimated,
            self.unknown or record.cost is None,
        )

    @property
    def words(self) -> str:
        """`3,412 tokens · $0.0123`; what is not known is said."""
        about = "≈" if self.estimated else ""
        cost = shown(self.cost, estimated=self.estimated)
        more = " + unknown" if self.unknown else ""
        return f"{about}{self.tokens:,} tokens · {cost}{more}"
