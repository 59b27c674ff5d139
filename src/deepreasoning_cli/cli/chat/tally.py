"""What this chat has used so far."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from deepreasoning_cli.money import shown
from deepreasoning_cli.record import Record


@dataclass(frozen=True, slots=True)
class Tally:
    """Tokens and USD of the turns that ran here; `estimated` and `unknown` where any of it is.

    `cached` and `written` are the tokens that were read from caches and written to them, `saved`
    is what that spared, below 0 where writing has cost more.
    """

    turns: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    estimated: bool = False
    unknown: bool = False
    cached: int = 0
    written: int = 0
    saved: Decimal = Decimal(0)

    def plus(self, record: Record) -> Tally:
        """With one more turn, whole or not."""
        stages = record.stages.values()
        usages = [stage.usage for stage in stages if stage.usage]
        used = sum(usage.input_tokens + usage.output_tokens for usage in usages)
        counted = [usage for usage in usages if not usage.estimated]
        known = sum((s.cost for s in stages if s.cost is not None), Decimal(0))
        return Tally(
            self.turns + 1,
            self.tokens + used,
            self.cost + known,
            self.estimated or record.estimated,
            self.unknown or record.cost is None,
            self.cached + sum(usage.cached_tokens for usage in counted),
            self.written + sum(usage.cache_write_tokens for usage in counted),
            self.saved + record.saved,
        )

    @property
    def words(self) -> str:
        """`3,412 tokens · $0.0123`; what is not known is said."""
        about = "≈" if self.estimated else ""
        cost = shown(self.cost, estimated=self.estimated)
        more = " + unknown" if self.unknown else ""
        return f"{about}{self.tokens:,} tokens · {cost}{more}"

    @property
    def cache_words(self) -> str:
        """`12,345 tokens read, 4,000 written · $0.0222 saved`; what was lost is said as well."""
        if not (self.cached or self.written):
            return "not used yet"
        verb = "saved" if self.saved >= 0 else "more than without"
        tokens = f"{self.cached:,} tokens read, {self.written:,} written"
        return f"{tokens} · {shown(abs(self.saved))} {verb}"
