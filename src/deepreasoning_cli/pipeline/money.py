"""Usage × rates → Decimal; estimates. Money is USD, rates are USD per million tokens.

How both look in JSON (`as_json`) and to people (`shown`, `format_tokens`) is written here alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

MILLION: Final = 1_000_000
THOUSAND: Final = 1_000
BYTES_PER_TOKEN: Final = 4
FEW_TOKENS: Final = 50  # below it the estimate may be far off
MOST_UNSEEN: Final = 1_000_000  # tokens read or written beside the text that is seen
SMALLEST_SHOWN: Final = Decimal("0.0001")
WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


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

    def as_json(self) -> dict[str, Any]:
        """The counts as programs read them."""
        counts = asdict(self)
        del counts["cache_write_tokens"]
        return counts

    def __add__(self, other: Usage) -> Usage:
        """Both in one."""
        thoughts = (self.reasoning_tokens, other.reasoning_tokens)
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            None if thoughts == (None, None) else sum(count or 0 for count in thoughts),
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens; a cache rate that is None is billed as plain input."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None

    def cost(self, usage: Usage) -> Decimal:
        """USD for `usage`; counts that contradict each other never make it negative."""
        prompt = max(usage.input_tokens, 0)
        read = _within(usage.cached_tokens, prompt)
        written = _within(usage.cache_write_tokens, prompt - read)
        millionths = (
            (prompt - read - written) * self.input
            + read * (self.input if self.cache_read is None else self.cache_read)
            + written * (self.input if self.cache_write is None else self.cache_write)
            + max(usage.output_tokens, 0) * self.output
        )
        return millionths / MILLION

    def saved(self, usage: Usage) -> Decimal:
        """USD that caches spared: what the same tokens had cost without any, less what they cost.

        Below 0 where more was paid for writing than was saved by reading. Of an estimate it is 0:
        nobody has counted what was read.
        """
        if usage.estimated:
            return Decimal(0)
        return self.cost(replace(usage, cached_tokens=0, cache_write_tokens=0)) - self.cost(usage)

    def times(self, factor: Decimal) -> Rates:
        """All of them, by this factor."""
        read, write = self.cache_read, self.cache_write
        return Rates(
            self.input * factor,
            self.output * factor,
            None if read is None else read * factor,
            None if write is None else write * factor,
        )

    @property
    def prices_caching(self) -> bool:
        """Whether it is known what a cache costs and saves."""
        return self.cache_read is not None and self.cache_write is not None

    @property
    def per_thousand(self) -> tuple[Decimal, Decimal]:
        """Input and output in USD per 1,000 tokens, digit for digit as the gateway prints them."""
        return self.input / THOUSAND, self.output / THOUSAND

    def as_json(self) -> dict[str, str | None]:
        """The four rates as decimal strings."""
        return {name: decimal_usd(rate) for name, rate in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Hours:
    """Spans in UTC on given weekdays (Monday is 0), holidays excepted, with a peak rate."""

    weekdays: frozenset[int]
    spans: tuple[tuple[time, time], ...]
    holidays: frozenset[date] = frozenset()

    def hold(self, when: datetime) -> bool:
        """Whether `when` (aware) lies in a span; the start belongs to it, the end does not."""
        moment = when.astimezone(UTC)
        if moment.weekday() not in self.weekdays or moment.date() in self.holidays:
            return False
        return any(start <= moment.time() < end for start, end in self.spans)

    def end_of(self, when: datetime) -> datetime:
        """When the span ends that `when` (aware) lies in; `when` itself where it lies in none."""
        moment = when.astimezone(UTC)
        ends = [end for start, end in self.spans if start <= moment.time() < end]
        if not (ends and self.hold(when)):
            return when
        return datetime.combine(moment.date(), ends[0], UTC)

    def as_json(self) -> dict[str, Any]:
        """Names of weekdays, spans as `HH:MM` in UTC, dates."""
        return {
            "weekdays": [WEEKDAYS[day].lower() for day in sorted(self.weekdays)],
            "spans_utc": [[f"{start:%H:%M}", f"{end:%H:%M}"] for start, end in self.spans],
            "holidays": [day.isoformat() for day in sorted(self.holidays)],
        }


@dataclass(frozen=True, slots=True)
class RateCard:
    """What a model costs on one backend: a base, and what departs from it by size or by hour.

    `bands` are (prompt tokens above which it holds, rates), rising; the whole request is billed
    at the band its prompt falls in. `as_of` and `source` say where the figures come from.
    """

    base: Rates
    bands: tuple[tuple[int, Rates], ...] = ()
    peak: Rates | None = None
    peak_hours: Hours | None = None
    as_of: str = ""
    source: str = ""

    def at(self, when: datetime, input_tokens: int = 0) -> Rates:
        """The rates for a prompt of `input_tokens` sent at `when` (aware)."""
        rates = self.base
        if self.peak and self.is_peak(when):
            rates = self.peak
        for above, banded in self.bands:
            if input_tokens > above:
                rates = banded
        return rates

    def is_peak(self, when: datetime) -> bool:
        """Whether `when` (aware) lies in hours with a peak rate."""
        return self.peak_hours is not None and self.peak_hours.hold(when)

    def cost(self, usage: Usage, when: datetime) -> Decimal:
        """USD for `usage` of a request sent at `when` (aware)."""
        return self.at(when, usage.input_tokens).cost(usage)

    def saved(self, usage: Usage, when: datetime) -> Decimal:
        """USD that caches spared a request sent at `when` (aware), as `Rates.saved` has it."""
        return self.at(when, usage.input_tokens).saved(usage)

    def times(self, factor: Decimal, source: str) -> RateCard:
        """All rates by this factor, which is from `source`."""
        return replace(
            self,
            base=self.base.times(factor),
            bands=tuple((above, rates.times(factor)) for above, rates in self.bands),
            peak=self.peak and self.peak.times(factor),
            source=source,
        )

    def as_json(self) -> dict[str, Any]:
        """The base rates, and what departs from them; None where there is no such thing."""
        return {
            **self.base.as_json(),
            "bands": [{"above": above, **rates.as_json()} for above, rates in self.bands],
            "peak": self.peak.as_json() if self.peak else None,
            "peak_hours": self.peak_hours.as_json() if self.peak_hours else None,
            "as_of": self.as_of or None,
            "source": self.source or None,
        }


def estimate_tokens(text: str) -> int:
    """A rough count of tokens: four UTF-8 bytes each, which holds for prose, code and CJK."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
    return -(-size // BYTES_PER_TOKEN)


def believable(usage: Usage, estimate: Usage) -> Usage:
    """`usage`, with the `estimate` by the text in place of a count that contradicts the text.

    Less than a quarter of the estimate is more than 16 bytes a token, which no long text has. More
    is believed, since models think and gateways add unseen, up to what no model reads or writes.
    """
    read, wrote = usage.input_tokens, usage.output_tokens
    reads = _contradicts(read, estimate.input_tokens)
    writes = _contradicts(wrote, estimate.output_tokens)
    if usage.estimated and wrote < estimate.output_tokens:
        writes = True
    if not (reads or writes):
        return usage
    return replace(
        usage,
        input_tokens=estimate.input_tokens if reads else read,
        cached_tokens=0 if reads else usage.cached_tokens,
        cache_write_tokens=estimate.cache_write_tokens if reads else usage.cache_write_tokens,
        output_tokens=estimate.output_tokens if writes else wrote,
        reasoning_tokens=estimate.reasoning_tokens if writes else usage.reasoning_tokens,
        estimated=True,
    )


def _contradicts(count: int, estimated: int) -> bool:
    too_few = count * 4 < estimated if estimated > FEW_TOKENS else not count and estimated > 1
    return too_few or count > estimated * BYTES_PER_TOKEN + MOST_UNSEEN


def decimal_usd(amount: Decimal | None) -> str | None:
    """The exact amount as scripts read it, without an exponent; None where it is unknown."""
    return None if amount is None else f"{amount.normalize():f}"


def format_usd(amount: Decimal | None, *, estimated: bool = False) -> str:
    """The amount as people read it: `$0.0071`, `≈$0.0071`, `<$0.0001`, `$0`, `cost unknown`."""
    if amount is None:
        return "cost unknown"
    if amount == 0:
        return "$0"
    if 0 < amount < SMALLEST_SHOWN:
        return f"<${SMALLEST_SHOWN}"
    digits = 2 if amount.quantize(SMALLEST_SHOWN) >= 1 else 4
    return f"{'≈' if estimated else ''}${amount:.{digits}f}"


def format_tokens(count: int, *, estimated: bool = False) -> str:
    """The count as people read it: `3,120`, `≈3,120`."""
    return f"{'≈' if estimated else ''}{count:,}"


def _within(count: int, limit: int) -> int:
    return max(0, min(count, limit))
