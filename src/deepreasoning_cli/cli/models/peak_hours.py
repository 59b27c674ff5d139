"""DeepSeek's peak hours in words, on the clock of the person who reads them.

The catalog has weekdays and spans in UTC (`Hours`); elsewhere they begin on another day, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

from deepreasoning_cli.pipeline.money import WEEKDAYS, Hours

DAY = 24 * 60
WEEK = 7 * DAY


def peak_hours(hours: Hours, now: datetime) -> str:
    """When the peak is, and whether it is at `now` (aware):
    `Peak hours (not now): Mon–Fri 02–05 and 07–11 your time.`
    """
    now_or_not = "now" if hours.hold(now) else "not now"
    return f"Peak hours ({now_or_not}): {_local_spans(hours, now)} your time."


def holidays(hours: Hours, now: datetime) -> str | None:
    """The days to come without a peak, as ranges; None where none is known."""
    days = sorted(day for day in hours.holidays if day >= now.astimezone(UTC).date())
    if not days:
        return None
    return f"No peak on {', '.join(_ranges(days, hours.weekdays))} (UTC)."


def _local_spans(hours: Hours, now: datetime) -> str:
    """`Mon–Fri 02–05 and 07–11`; spans that fall on other weekdays have their own."""
    offset = int((now.astimezone().utcoffset() or timedelta()).total_seconds() // 60)
    days_of: dict[str, set[int]] = {}
    for start, end in hours.spans:
        first = _minute(start) + offset
        times = f"{_clock(first)}–{_clock(_minute(end) + offset)}"
        days_of[times] = {(day * DAY + first) % WEEK // DAY for day in hours.weekdays}
    spans_of: dict[str, list[str]] = {}
    for times, days in days_of.items():
        spans_of.setdefault(_days(days), []).append(times)
    return " and ".join(f"{days} {' and '.join(spans)}" for days, spans in spans_of.items())


def _minute(when: time) -> int:
    return when.hour * 60 + when.minute


def _clock(minute: int) -> str:
    """`02`, or `06:30`."""
    hour, minutes = divmod(minute % DAY, 60)
    return f"{hour:02}:{minutes:02}" if minutes else f"{hour:02}"


def _days(days: Iterable[int]) -> str:
    """`Mon–Fri`, `Sun–Thu`: weekdays in a row, over the end of the week too."""
    there = set(days)
    if len(there) == len(WEEKDAYS):
        return "every day"
    runs = []
    for first in sorted(day for day in there if (day - 1) % 7 not in there):
        last = first
        while (last + 1) % 7 in there:
            last = (last + 1) % 7
        names = [WEEKDAYS[day][:3] for day in dict.fromkeys((first, last))]
        runs.append("–".join(names))
    return ", ".join(runs)


def _ranges(days: Sequence[date], weekdays: frozenset[int]) -> Iterator[str]:
    """`2026-10-01 to 2026-10-07`: days without a peak in a row, weekends between them included."""
    first = last = days[0]
    for day in days[1:]:
        between = (last + timedelta(number) for number in range(1, (day - last).days))
        if any(each.weekday() in weekdays for each in between):
            yield _range(first, last)
            first = day
        last = day
    yield _range(first, last)


def _range(first: date, last: date) -> str:
    return f"{first}" if first == last else f"{first} to {last}"
