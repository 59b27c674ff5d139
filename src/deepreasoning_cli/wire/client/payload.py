"""Take the expected shape out of decoded JSON; any other shape is empty, never an error."""

from __future__ import annotations

from typing import Any

MOST_TOKENS = 1_000_000_000  # no model reads or writes this much in one reply
LONGEST_WORDS = 500  # characters of a vendor's message that are passed on


def as_dict(value: object) -> dict[str, Any]:
    """The object itself, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[dict[str, Any]]:
    """The objects of a list; what else is in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The string itself, or an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """A believable number of tokens; None for anything else, as for -1, true, "7", NaN or 1e300."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MOST_TOKENS or value != int(value):
        return None
    return int(value)


def error_text(error: object) -> str:
    """A vendor's own words for a failure on one line, from an `error` object or string."""
    message = as_text(error)
    for name in ("message", "code", "type"):
        message = message or as_text(as_dict(error).get(name))
    return " ".join(message.split())[:LONGEST_WORDS] or "no reason given"
