"""Every failure a user can meet: kind, stage, exit code, hint.

DeepReasoningError
├── UsageError        2  the call is wrong
├── ConfigError       3  key, config file, proxy or CA setting
├── RefusedError      4  the request itself was turned down
├── UnavailableError  5  nothing was paid for; try again later
├── IncompleteError   6  something was paid for, the rest did not come
└── WriteError        7  stdout or the output file
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar


class DeepReasoningError(Exception):
    """A failure with a place, a reason and advice.

    `kind` is a short stable word for scripts; `stage` is `search`, `reason`, `answer` or None;
    `status` the HTTP status and `request_id` the vendor's id, where there was a reply;
    `retry_after` the seconds that the vendor asked to wait.
    """

    exit_code: ClassVar[int] = 1
    default_kind: ClassVar[str] = "bug"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        kind: str | None = None,
        stage: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        resume: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.kind = kind or self.default_kind
        self.stage = stage
        self.status = status
        self.request_id = request_id
        self.resume = resume
        self.retry_after = retry_after

    def at(self, stage: str) -> DeepReasoningError:
        """Name the stage it happened in, unless one is named already; return itself."""
        self.stage = self.stage or stage
        return self

    def as_incomplete(self, message: str) -> IncompleteError:
        """The same failure in a turn that has cost something, in the words of `message`."""
        names = ("hint", "kind", "stage", "status", "request_id", "retry_after")
        return IncompleteError(message, **{name: getattr(self, name) for name in names})

    def as_json(self) -> dict[str, Any]:
        """The object scripts read from stderr with `--json` and `--jsonl`."""
        names = ("stage", "kind", "message", "status", "request_id", "hint", "resume")
        return {"error": {name: getattr(self, name) for name in names}}


class UsageError(DeepReasoningError):
    """The call is wrong: bad value, empty prompt, binary or oversized input."""

    exit_code = 2
    default_kind = "usage"


class ConfigError(DeepReasoningError):
    """The set-up is wrong: a key is missing or rejected, the config file, a proxy, a CA file."""

    exit_code = 3
    default_kind = "config"


class RefusedError(DeepReasoningError):
    """The request was turned down: bad request, retired model, no credit, a cap."""

    exit_code = 4
    default_kind = "refused"


class UnavailableError(DeepReasoningError):
    """Network, timeout, rate limit or overload, after the retries; nothing was paid for."""

    exit_code = 5
    default_kind = "unavailable"


class IncompleteError(DeepReasoningError):
    """Something was paid for, and the rest did not come."""

    exit_code = 6
    default_kind = "incomplete"


class WriteError(DeepReasoningError):
    """Stdout or the output file does not take the text."""

    exit_code = 7
    default_kind = "cannot_write"


class Interrupted(BaseException):
    """A signal that ends the program; `exit_code` is 128 + its number."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.exit_code = 128 + signal_number


def nearest(name: str, known: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> list[str]:
    """Those of `known` that are most like `name`, the best first.

    `likeness` is difflib's ratio, from 0 (anything) to 1 (the same).
    """
    from difflib import get_close_matches

    return get_close_matches(name, list(known), most, likeness)


def did_you_mean(
    name: str, known: Iterable[str], *, most: int = 1, likeness: float = 0.6
) -> str | None:
    """The hint that names the nearest of `known`, None where none is near; see `nearest`."""
    close = nearest(name, known, most=most, likeness=likeness)
    return f"did you mean {' or '.join(close)}?" if close else None
