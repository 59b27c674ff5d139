"""The one place where failures become lines on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from deepreasoning_cli.errors import (
    DeepReasoningError,
    Interrupted,
    UsageError,
    WriteError,
)

CLOSED_PIPE = 141
INTERRUPTED = 130
NO_ROOM = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
)  # what only a writer meets


class Boundary(TyperGroup):
    """The root group: whatever happens inside, what leaves is an exit code."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the command line; always ends in SystemExit."""
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        code = guarded(lambda: super(Boundary, self).main(words, *rest, **extra), words)
        raise SystemExit(code)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the words; `--help` and `--version` print here already."""
        with _quiet_on_a_closed_pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _quiet_on_a_closed_pipe():
            return super().invoke(ctx)


@contextmanager
def _quiet_on_a_closed_pipe() -> Iterator[None]:
    """Leave with our exit code, before Typer makes it 1, or Rich does, which prints the help."""
    try:
        yield
    except (BrokenPipeError, SystemExit) as gone:
        if BrokenPipeError not in (type(gone), type(gone.__context__)):
            raise
        _abandon_stdout()
        raise typer.Exit(CLOSED_PIPE) from None


def guarded(action: Callable[[], Any], words: Sequence[str]) -> int:
    """The exit code of `action`; a failure is reported on stderr, in JSON where that was asked."""
    try:
        code = action()
        _flush_stdout()
    except BrokenPipeError:
        _abandon_stdout()
        return CLOSED_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Interrupted as signal:
        return signal.exit_code
    except Exception as exc:  # noqa: BLE001 (the boundary: nothing may pass as a traceback)
        debug = "--debug" in _options(words)
        return _report(_worded(exc), as_json=wants_json(words), debug=debug)
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
        case TyperException():
            hint = f"{_command_path(exc)} --help"
            return UsageError(exc.format_message(), hint=hint)
        case typer.Abort():
            return UsageError("the question was not answered", kind="aborted")
        case OSError() if exc.errno in NO_ROOM:
            return WriteError(f"cannot write: {exc.strerror or exc}", hint="make room, try again")
        case _:
            error = DeepReasoningError(
                f"unexpected {type(exc).__name__}",
                hint="this is a bug: run it again with --debug and report what is printed",
            )
            error.__cause__ = exc
            return error


def _command_path(exc: Any) -> str:
    context = getattr(exc, "ctx", None)
    return context.command_path if context else "deepreasoning"


def _report(error: DeepReasoningError, *, as_json: bool, debug: bool) -> int:
    from deepreasoning_cli.views.failure import lines_of
    from deepreasoning_cli.views.safe import json_text

    lines = [json_text(error.as_json())] if as_json else lines_of(error)
    if debug:
        lines.append(_traceback(error))
    write_stderr("\n".join(lines))
    return error.exit_code


def _traceback(error: DeepReasoningError) -> str:
    """Where it happened: code lines without values, every key that was loaded masked."""
    import traceback

    from deepreasoning_cli.keys import redact_known
    from deepreasoning_cli.views.safe import safe

    return safe(redact_known("".join(traceback.format_exception(error))))


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


def _abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays quiet."""
    if sys.stdout is None:
        return
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
