"""`--since` as people write it: `12h`, `30d`, `4w`, a date, or `all`."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

from deepreasoning_cli.errors import UsageError

SPAN = re.compile(r"(\d{1,5})([hdw])")
FORMS = "30d, 12h, 4w, a date such as 2026-11-01, or all"


def parse_since(text: str, now: datetime) -> datetime | None:
    """The moment (aware) that `text` names; None for `all`. Raises UsageError.

    Days and weeks are whole days of this computer's calendar: `1d` is today, `7d` and `1w` are
    today and the six days before it. Hours are counted back from `now`.
    """
    written = text.strip().lower()
    if written == "all":
        return None
    span = SPAN.fullmatch(written)
    try:
        if span is None:
            return _midnight(date.fromisoformat(written))
        count, unit = int(span[1]), span[2]
        if unit == "h":
            return now - timedelta(hours=count)
        days = max(count * (7 if unit == "w" else 1), 1)
        return _midnight(now.astimezone().date() - timedelta(days=days - 1))
    except (ValueError, OverflowError):
        raise UsageError(f"--since {text!r} is no time", hint=f"write {FORMS}") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()
