"""Whether a failed attempt is made again, and after how long: arithmetic only.

The statuses, the formula and the header names are those of the official Anthropic and OpenAI
clients, version 2.12 and 3.54; the cap on what a server may ask for is ours.
"""

from __future__ import annotations

import email.utils
import math
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from deepreasoning_cli.transport.request import AttemptFailed
from deepreasoning_cli.wire.client.errors import RETRYABLE

RETRIES = 2
LONGEST_WAIT = 60.0  # seconds in total; a longer one is the user's to choose
UNREACHED = ("dns", "connect")  # kinds of errors before a request is sent
TURNED_AWAY = (429, 529)
LONGEST_SENSIBLE = 31 * 86_400.0  # seconds; quotas are renewed by the month at the latest


def is_retryable(kind: str, headers: Mapping[str, str]) -> bool:
    """Whether waiting can heal an error of this kind; but for a lack of credit, the server's own
    word comes first.
    """
    advice = headers.get("x-should-retry")
    if advice in ("true", "false"):
        return advice == "true" and kind != "no_credit"
    return kind in RETRYABLE


def next_wait(
    failed: AttemptFailed, waits: Sequence[float], *, creates: bool = False
) -> float | None:
    """Seconds until the next attempt, after `waits`; None when there is none, and the hint of the
    error says why.

    What `creates` something is tried again only where the vendor has surely not begun with it.
    """
    if not failed.retryable or len(waits) >= RETRIES:
        return None
    if creates and not (failed.error.kind in UNREACHED or failed.error.status in TURNED_AWAY):
        return None
    wait = backoff(len(waits)) if failed.wait is None else failed.wait
    if sum(waits) + wait <= LONGEST_WAIT:
        return wait
    if failed.wait is not None:
        failed.error.hint = f"try again in {wait:.0f} s"
    return None


def requested_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the server asks to wait; None where it says nothing, or nothing sensible.

    An HTTP date counts from the reply's own date: a local clock may be wrong.
    """
    milliseconds, hint = _positive(headers.get("retry-after-ms")), headers.get("retry-after")
    seconds = milliseconds / 1000 if milliseconds is not None else _positive(hint)
    if seconds is None and (moment := _moment(hint)):
        seconds = (moment - (_moment(headers.get("date")) or now)).total_seconds()
    return seconds if seconds is not None and 0 < seconds <= LONGEST_SENSIBLE else None


def backoff(attempt: int) -> float:
    """Seconds before attempt number `attempt` + 1 (from 0) where the server names none."""
    return min(math.ldexp(0.5, attempt), 8.0) * (1 - 0.25 * random.random())  # noqa: S311 (jitter)


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):  # an offset beyond any calendar overflows
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
