"""A failed attempt, and how many more a request may make."""

from __future__ import annotations

from dataclasses import dataclass

from deepreasoning_cli.errors import DeepReasoningError
from deepreasoning_cli.transport import retry


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
        if not failed.heals or self.attempts >= retry.RETRIES:
            return None
        wait = retry.backoff(self.attempts) if failed.wait is None else failed.wait
        if self.seconds + wait > retry.LONGEST_WAIT:
            if failed.wait is not None:
                failed.error.hint = f"it asks to wait {wait:.0f} s"
            return None
        self.attempts += 1
        self.seconds += wait
        return wait
