"""The one place where a failure becomes lines on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from deepreasoning_cli.errors import (
    ConfigError,
    DeepReasoningError,
    Interrupted,
    WriteError,
    as_called,
    out_of_resources,
)

CLOSED_PIPE = 141
INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
"""What only a writer meets."""
NOT_OURS = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)


def run_guarded(
    action: Callable[[], Any],
    words: Sequence[str],
    recover: Callable[[Exception, int], Any] | None = None,
) -> int:
    """The exit code of `action`; a failure is reported on stderr, with `--json` as JSON.

    What `recover` makes of a reported failure and its exit code counts, unless that is JSON.
    """
    try:
        code = action()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Interrupted as signal:
        return signal.exit_code
    except Exception as exc:  # noqa: BLE001 (the boundary: nothing may pass as a traceback)
        as_json = wants_json(words)
        code = report(exc, as_json=as_json, debug="--debug" in _options(words))
        is_full = isinstance(exc, OSError | WriteError)  # stdout stays so
        if recover and not as_json and not is_full:
            return run_guarded(partial(recover, exc, code), words)
    return code if isinstance(code, int) else 0


def wants_json(words: Sequence[str]) -> bool:
    """Whether the call asks for JSON, read from the raw words: they may be malformed."""
    options = _options(words)
    return "--json" in options or "--jsonl" in options


def _options(words: Sequence[str]) -> Sequence[str]:
    return words[: words.index("--")] if "--" in words else words


def _as_error(exc: Exception) -> DeepReasoningError:
    if scarce := out_of_resources(exc):
        return scarce
    match exc:
        case DeepReasoningError():
            return exc
        case OSError() if exc.errno in NO_ROOM:
            return WriteError(f"cannot write: {exc.strerror or exc}", hint="make room, try again")
        case OSError() if exc.errno in NOT_OURS:
            what = f"cannot use {exc.filename or 'a file'}: {exc.strerror or exc}"
            hint = "look whose it is, and who may read and write it"
            return ConfigError(what, hint=hint, kind="file_unusable")
        case _:
            error = DeepReasoningError(
                f"unexpected {type(exc).__name__}",
                hint="run it again with --debug and report what it prints: this is a bug",
            )
            error.__cause__ = exc
            return error


def report(failure: Exception, *, as_json: bool, debug: bool) -> int:
    """Print the failure on stderr, with a traceback where `debug`; return its exit code."""
    from deepreasoning_cli.sanitize import dump_json, sanitize
    from deepreasoning_cli.views.base import error_lines

    error = _as_error(failure)
    lines = [dump_json(error.as_json())] if as_json else error_lines(error)
    write_stderr("\n".join(lines), wrap=not as_json)
    if debug:  # where it happened: code lines without values, every loaded key masked
        from traceback import format_exception

        from deepreasoning_cli.keys import redact_known

        trace = "".join(format_exception(error))
        write_stderr(sanitize(redact_known(trace)), wrap=False)
    return error.exit_code


def write_stderr(text: str, *, wrap: bool = True) -> None:
    """Print lines on stderr, with the program under the name that was called.

    With `wrap` a terminal has them broken at words. A closed or full stderr is ignored.
    """
    if sys.stderr is None:
        return
    with suppress(OSError, ValueError):  # ValueError: closed
        text = as_called(text)
        if wrap and sys.stderr.isatty():
            from deepreasoning_cli.views.base import wrap_lines
            from deepreasoning_cli.views.terminal import terminal_size

            text = wrap_lines(text, terminal_size(sys.stderr)[0])
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def require_stdout() -> None:
    """Raise WriteError where stdout is closed, before anything is paid for."""
    if sys.stdout is None:
        raise WriteError("stdout is closed", hint="give it a stdout; nothing was sent")


def abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays quiet."""
    if sys.stdout is None:
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
