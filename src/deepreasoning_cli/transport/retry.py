"""Whether a failed attempt is made again, and after how long: arithmetic only.

The statuses, the formula and the header names are those of the official Anthropic and OpenAI
clients, version 2.12 and 3.54; the cap on what a server may ask for is ours.
"""

from __future__ import annotations

import email.utils
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.wire.client.errors import RETRYABLE

RETRIES = 2
LONGEST_WAIT = 60.0  # seconds in total; a longer one is the user's to choose
LONGEST_SENSIBLE = 31 * 86_400.0  # seconds; quotas are renewed by the month at the latest


def worth_retrying(kind: str, headers: Mapping[str, str]) -> bool:
    """Whether waiting can heal an error of this kind; but for a lack of credit, the server's own
    word comes first.
    """
    match headers.get("x-should-retry"):
        case "true":
            return kind != "no_credit"
        case "false":
            return False
    return kind in RETRYABLE


def asked_for(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the server asks to wait; None where it says nothing, or nothing sensible."""
    milliseconds = _positive(headers.get("retry-after-ms"))
    hint = headers.get("retry-after")
    seconds = milliseconds / 1000 if milliseconds is not None else _positive(hint)
    if seconds is None:
        seconds = _until(hint, headers.get("date"), now)
    return seconds if seconds is not None and seconds <= LONGEST_SENSIBLE else None


def backoff(attempt: int) -> float:
    """Seconds before attempt number `attempt` + 1 (from 0) where the server names none."""
    return min(math.ldexp(0.5, attempt), 8.0) * (1 - 0.25 * random.random())  # noqa: S311 (jitter)


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _until(hint: str | None, date: str | None, now: datetime) -> float | None:
    """Seconds from the reply's own date (a local clock may be wrong) to an HTTP date."""
    target = _moment(hint)
    if target is None:
        return None
    seconds = (target - (_moment(date) or now)).total_seconds()
    return seconds if seconds > 0 else None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = email.utils.parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class AttemptFailed(Exception):  # noqa: N818 (never seen outside: it carries the error to the retry loop)
    """One attempt failed: `heals` if another may succeed, `wait` seconds if the server says so."""

    def __init__(
        self, error: DeepReasoningError, *, heals: bool, wait: float | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.heals = heals
        self.wait = wait


@dataclass(slots=True)
class RetryBudget:
    """The attempts that one request has made again, and the seconds that it waited."""

    attempts: int = 0
    seconds: float = 0.0

    def next_wait(self, failed: AttemptFailed) -> float | None:
        """Seconds until the next attempt; None when there is none, and the hint says why."""
        if not failed.heals or self.attempts >= RETRIES:
            return None
        wait = backoff(self.attempts) if failed.wait is None else failed.wait
        if self.seconds + wait > LONGEST_WAIT:
            if failed.wait is not None:
                failed.error.hint = f"it asks to wait {wait:.0f} s"
            return None
        self.attempts += 1
        self.seconds += wait
        return wait
