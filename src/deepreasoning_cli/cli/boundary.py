"""The one place where failures become lines on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from deepreasoning_cli.errors import DeepReasoningError, Interrupted, WriteError

CLOSED_PIPE = 141
INTERRUPTED = 130
NO_ROOM = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
)  # what only a writer meets


def guarded(action: Callable[[], Any], words: Sequence[str]) -> int:
    """The exit code of `action`; a failure is reported on stderr, in JSON where that was asked."""
    try:
        code = action()
        _flush_stdout()
    except BrokenPipeError:
        abandon_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Interrupted as signal:
        return signal.exit_code
    except Exception as exc:  # noqa: BLE001 (the boundary: nothing may pass as a traceback)
        debug = "--debug" in _options(words)
        return report(exc, as_json=wants_json(words), debug=debug)
    return code if isinstance(code, int) else 0


def wants_json(words: Sequence[str]) -> bool:
    """Whether the call asks for JSON; it is looked up in the words, for they may be malformed."""
    options = _options(words)
    return "--json" in options or "--jsonl" in options


def _options(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _worded(exc: Exception) -> DeepReasoningError:
    match exc:
        case DeepReasoningError():
            return exc
        case OSError() if exc.errno in NO_ROOM:
            return WriteError(f"cannot write: {exc.strerror or exc}", hint="make room, try again")
        case _:
            error = DeepReasoningError(
                f"unexpected {type(exc).__name__}",
                hint="this is a bug: run it again with --debug and report what is printed",
            )
            error.__cause__ = exc
            return error


def report(failure: Exception, *, as_json: bool, debug: bool) -> int:
    """Print the failure on stderr, with a traceback where `debug`; return its exit code."""
    from deepreasoning_cli.sanitize import dump_json
    from deepreasoning_cli.views.base import error_lines

    error = _worded(failure)
    lines = [dump_json(error.as_json())] if as_json else error_lines(error)
    if debug:
        lines.append(_traceback(error))
    write_stderr("\n".join(lines))
    return error.exit_code


def _traceback(error: DeepReasoningError) -> str:
    """Where it happened: code lines without values, every key that was loaded masked."""
    import traceback

    from deepreasoning_cli.keys import redact_known
    from deepreasoning_cli.sanitize import sanitize

    return sanitize(redact_known("".join(traceback.format_exception(error))))


def write_stderr(text: str) -> None:
    """Print lines on stderr; where it is closed or full there is nobody left to tell."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # ValueError: closed
        return


def _flush_stdout() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays quiet."""
    if sys.stdout is None:
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
