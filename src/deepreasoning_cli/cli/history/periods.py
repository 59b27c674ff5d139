"""Times as they are typed: so long ago, or on that day."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from deepreasoning_cli.errors import UsageError

HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
DURATION: Final = re.compile(r"([0-9]+)([hdw])")
FORMS: Final = "a duration such as 12h, 30d or 2w, or a date such as 2026-11-01"


def moment(option: str, text: str, now: datetime | None = None) -> datetime:
    """The time (aware) that `text` means for `option`; a date is its first minute here.

    `now` (aware) is what durations are counted back from. Raises UsageError that names the forms.
    """
    try:
        if found := DURATION.fullmatch(text.strip().lower()):
            hours = int(found[1]) * HOURS[found[2]]
            return (now or datetime.now().astimezone()) - timedelta(hours=hours)
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError) as exc:  # OSError: a year no clock here knows
        raise UsageError(f"{option} {text}: this is no time", kind="bad_time", hint=FORMS) from exc
