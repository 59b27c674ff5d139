"""Usage × rates → Decimal; estimates. Money is USD, rates are USD per million tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from decimal import Decimal

MILLION = Decimal(1_000_000)
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one stage.

    `input_tokens` is the whole prompt, `cached_tokens` and `cache_write_tokens` are parts of it;
    `reasoning_tokens` are part of `output_tokens`. `estimated` marks counts that no vendor gave.
    """

    input_tokens: int
    output_tokens: int
    reasoning_tokens: int | None = None
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens; a cache rate that is None is billed as plain input."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        """USD for `usage`. Cached tokens beyond the prompt's size do not make it negative."""
        read = min(usage.cached_tokens, usage.input_tokens)
        written = min(usage.cache_write_tokens, usage.input_tokens - read)
        plain = usage.input_tokens - read - written
        per_million = (
            plain * self.input
            + read * (self.input if self.cache_read is None else self.cache_read)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + usage.output_tokens * self.output
        )
        return per_million / MILLION


@dataclass(frozen=True, slots=True)
class Hours:
    """Daily spans in UTC on given weekdays (Monday is 0) in which a peak rate holds."""

    weekdays: frozenset[int]
    spans: tuple[tuple[time, time], ...]

    def hold(self, when: datetime) -> bool:
        """Whether `when` (aware) lies in a span; the start belongs to it, the end does not."""
        moment = when.astimezone(UTC)
        clock = moment.time().replace(tzinfo=None)
        return moment.weekday() in self.weekdays and any(a <= clock < b for a, b in self.spans)


@dataclass(frozen=True, slots=True)
class RateCard:
    """What a model costs on one backend: a base, and what departs from it by size or by hour.

    `bands` are (prompt tokens above which it holds, rates), rising; the whole request is billed
    at the band its prompt falls in. `as_of` and `source` say where the figures come from.
    """

    base: Rates
    bands: tuple[tuple[int, Rates], ...] = ()
    peak: Rates | None = None
    peak_hours: Hours | None = field(default=None)
    as_of: str = ""
    source: str = ""

    def at(self, when: datetime, input_tokens: int = 0) -> Rates:
        """The rates for a prompt of `input_tokens` sent at `when`."""
        rates = self.base
        if self.peak and self.peak_hours and self.peak_hours.hold(when):
            rates = self.peak
        for above, banded in self.bands:
            if input_tokens > above:
                rates = banded
        return rates

    def cost(self, usage: Usage, when: datetime) -> Decimal:
        """USD for `usage` at `when`."""
        return self.at(when, usage.input_tokens).cost(usage)


def estimate_tokens(text: str) -> int:
    """A rough count of tokens: four UTF-8 bytes each, which holds for prose, code and CJK."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def usd(amount: Decimal | None) -> str | None:
    """The exact amount as scripts read it, without an exponent; None where it is unknown."""
    return None if amount is None else f"{amount.normalize():f}"


def shown(amount: Decimal | None, *, estimated: bool = False) -> str:
    """The amount as people read it: `$0.0071`, `≈$0.0071`, `cost unknown`."""
    if amount is None:
        return "cost unknown"
    digits = 2 if amount >= 1 else 4
    return f"{'≈' if estimated else ''}${amount:.{digits}f}"
