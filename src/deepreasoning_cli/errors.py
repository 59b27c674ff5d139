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

import errno
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

PROGRAM: Final = "deepreasoning"
"""The program in our texts: in backquotes, `as_called` puts the name there that was called."""
NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE})
_NO_ROOM_TO_LOAD: Final = ("failed to map segment", "annot allocate memory")
"""What glibc and musl say of a library for which there is no memory."""
_COMMAND: Final = re.compile(rf"(?<=`){PROGRAM}(?=[ `])")


class DeepReasoningError(Exception):
    """A failure with a place, a reason and advice.

    `hints` say what to do, each in a line of its own; `hint` is all of them.
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
        hint: str | Sequence[str] | None = None,
        kind: str | None = None,
        stage: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        resume: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hints = (hint,) if isinstance(hint, str) else tuple(hint or ())
        self.kind = kind or self.default_kind
        self.stage = stage
        self.status = status
        self.request_id = request_id
        self.resume = resume
        self.retry_after = retry_after
        self.unpaid: DeepReasoningError | None = None
        """What it was, where `as_incomplete` made it of another."""

    def at(self, stage: str) -> DeepReasoningError:
        """Name the stage it happened in, unless one is named already; return itself."""
        self.stage = self.stage or stage
        return self

    @property
    def hint(self) -> str | None:
        """The hints, one a line; None where there is none."""
        return "\n".join(self.hints) or None

    @hint.setter
    def hint(self, hint: str) -> None:
        self.hints = (hint,)

    def advise(self, hint: str, *, first: bool = False) -> None:
        """Add a hint, in a line of its own; a hint that is there already stays."""
        if hint not in self.hints:
            self.hints = (hint, *self.hints) if first else (*self.hints, hint)

    def as_incomplete(self, message: str) -> IncompleteError:
        """The same failure in a turn that has cost something, in the words of `message`."""
        names = ("kind", "stage", "status", "request_id", "retry_after")
        error = IncompleteError(
            message, hint=self.hints, **{name: getattr(self, name) for name in names}
        )
        error.unpaid = self.unpaid or self
        return error

    def is_at_heart(self, kind: type[DeepReasoningError]) -> bool:
        """Whether it is of that class, or would be if nothing had been paid for before it."""
        return isinstance(self.unpaid or self, kind)

    def of_the_whole_run(self, hint: str) -> None:
        """End a run of many turns: one turn's `resume` gives way to the run's own hint."""
        resume = self.resume
        if resume:
            self.hints = tuple(each for each in self.hints if f"`{resume}`" not in each)
        self.resume = None
        self.advise(hint)

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


def out_of_resources(failure: BaseException) -> ConfigError | None:
    """What the system has no more of, where `failure` comes of that: files, memory or threads."""
    match failure:
        case OSError(errno=number) if number in NO_DESCRIPTORS:
            what, kind = f"cannot open another file: {failure.strerror}", "too_many_files"
            limit = "`ulimit -n`"
        case ImportError() if "Too many open files" in str(failure):
            what, kind, limit = "cannot open another file", "too_many_files", "`ulimit -n`"
        case RuntimeError() if "start new thread" in str(failure):
            what, kind = "cannot start another thread", "out_of_memory"
            limit = "`ulimit -u`, `ulimit -v`"
        case ImportError() if not any(words in str(failure) for words in _NO_ROOM_TO_LOAD):
            return None
        case MemoryError() | OSError(errno=errno.ENOMEM) | ImportError():
            what, kind, limit = "out of memory", "out_of_memory", "`ulimit -v`"
        case _:
            return None
    return ConfigError(what, hint=f"close programs, or raise the limit: {limit}", kind=kind)


def program_name() -> str:
    """What the user called: `dr`, or the long name."""
    called = re.split(r"[/\\]", sys.argv[0])[-1] if sys.argv else ""
    return "dr" if called.lower().removesuffix(".exe") == "dr" else PROGRAM


def as_called(text: str) -> str:
    """`text` with the commands in it under the name that the user called."""
    return _COMMAND.sub(program_name(), text) if PROGRAM in text else text


def alternatives(names: Iterable[object]) -> str:
    """The names as a choice: `a, b or c`."""
    *others, last = map(str, names)
    return f"{', '.join(others)} or {last}" if others else last


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
    return f"did you mean {alternatives(close)}?" if close else None
