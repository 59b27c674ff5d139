"""How the facts of the catalog are worded for people."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from deepreasoning_cli.catalog import ClaudeModel, Lifecycle, Samplers
from deepreasoning_cli.money import WEEKDAYS, Hours, RateCard, Rates, usd

UNKNOWN = "unknown"
SAMPLERS = {
    Samplers.BOTH: "temperature and top_p",
    Samplers.ONE: "temperature or top_p, one of the two",
    Samplers.NONE: "none is taken",
    Samplers.IGNORED: "taken and ignored",
}


def status(model: ClaudeModel, today: date) -> str:
    """`active`, `legacy`, `deprecated until 2026-11-30`, `retired since 2026-08-05`, `unknown`."""
    lifecycle = model.lifecycle(today)
    match lifecycle:
        case Lifecycle.DEPRECATED if model.ends:
            return f"deprecated until {model.ends}"
        case Lifecycle.RETIRED if model.ends:
            return f"retired since {model.ends}"
        case _:
            return lifecycle.value


def short(tokens: int | None) -> str:
    """A limit in few characters: `1M`, `200k`, `8,192`."""
    if tokens is None:
        return UNKNOWN
    for unit, sign in ((1_000_000, "M"), (1_000, "k")):
        if tokens >= unit and tokens % unit == 0:
            return f"{tokens // unit}{sign}"
    return f"{tokens:,}"


def price(amount: Decimal | None) -> str:
    """USD with two decimals or as many as it takes: `2.00`, `0.125`; None is not known."""
    text = usd(amount)
    if text is None:
        return UNKNOWN
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def price_range(card: RateCard | None) -> tuple[str, str]:
    """Input and output, from the lowest to the highest that can be asked."""
    if card is None:
        return UNKNOWN, UNKNOWN
    cases = [card.base, *(rates for _, rates in card.bands), *([card.peak] if card.peak else [])]
    return _span([rates.input for rates in cases]), _span([rates.output for rates in cases])


def cells(rates: Rates) -> list[str]:
    """Input, output, cache read and cache write; a cache rate that is missing is the input's."""
    cached = (rates.cache_read, rates.cache_write)
    return [
        price(rates.input),
        price(rates.output),
        *("as input" if rate is None else price(rate) for rate in cached),
    ]


def origin(as_of: str, source: str) -> str:
    """`2026-11-01: https://…`: the day on which figures were true, and where they are from."""
    return f"{as_of or 'an unknown day'}: {source}"


def peak_hours(when: Hours, now: datetime) -> str:
    """The line that says when the peak rates hold, and whether they do at `now` (aware)."""
    return f"Peak hours ({'now' if when.hold(now) else 'not now'}): {_hours(when)}."


def _hours(when: Hours) -> str:
    """`Monday, Tuesday 01:00-04:00, 06:00-10:00 UTC, but not on 2026-10-01`."""
    days = ", ".join(WEEKDAYS[day] for day in sorted(when.weekdays))
    spans = ", ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in when.spans)
    free = ", ".join(day.isoformat() for day in sorted(when.holidays))
    return f"{days} {spans} UTC{f', but not on {free}' if free else ''}"


def _span(amounts: list[Decimal]) -> str:
    low, high = min(amounts), max(amounts)
    return price(low) if low == high else f"{price(low)}-{price(high)}"
