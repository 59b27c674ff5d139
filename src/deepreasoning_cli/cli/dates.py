"""Parse a time as a user types it, for `--since` and `--older-than`."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta
from typing import Final

from deepreasoning_cli.errors import UsageError

DURATION: Final = re.compile(r"([0-9]+)([hdw])")
HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
DAYS_AGO: Final = {"today": 0, "yesterday": 1}
FORMS: Final = "12h, 30d, 4w, today, yesterday, 2026-11-01, 2026-11-01T14:30 or all"
"""The whole grammar, as help and errors show it."""


def parse_time(option: str, text: str, now: datetime | None = None) -> datetime | None:
    """The time (aware) that `text` means for `option`; None for `all`, which sets no bound.

    A duration is counted back from `now` (aware; by default the present), with days of 24 hours,
    as git, Docker and journalctl count: `--older-than 7d` spares whatever is younger than seven
    whole days. `today`, `yesterday` and a date are the first minute of that day on this
    computer's clock; a date may have a time, in ISO 8601, on that clock unless it names a zone.

    Raises UsageError of kind `bad_time`, with all forms in its hint.
    """
    now = now or datetime.now().astimezone()
    written = text.strip().lower()
    if written == "all":
        return None
    try:
        if duration := DURATION.fullmatch(written):
            return now - timedelta(hours=int(duration[1]) * HOURS[duration[2]])
        if written in DAYS_AGO:
            day = now.astimezone().date() - timedelta(days=DAYS_AGO[written])
            return datetime.combine(day, time()).astimezone()
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError) as exc:  # OSError: the year is out of range
        raise UsageError(
            f"{option}: cannot read {text!r} as a time", kind="bad_time", hint=f"write {FORMS}"
        ) from exc
