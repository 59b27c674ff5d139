"""Bars of a chart, drawn in text."""

from __future__ import annotations

from decimal import Decimal

EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: Decimal, largest: Decimal, width: int, *, unicode: bool) -> str:
    """A bar for `value` in at most `width` cells, which `largest` fills.

    Eighths of a cell where the terminal has them, else whole `#`. What is above 0 is always seen.
    """
    if value <= 0 or largest <= 0 or width < 1:
        return ""
    if not unicode:
        return "#" * max(1, int(value * width / largest))
    eighths = max(1, int(value * width * 8 / largest))
    whole, rest = divmod(eighths, 8)
    return EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")
