"""Notes, warnings, questions and the debug log: lines on stderr beside a command's output.

Each is one line that cannot drive the terminal. `--quiet` silences all but the debug log, which
`--debug` turns on. `--json` does not change them: on stderr only errors become JSON (`boundary`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import Interrupted

if TYPE_CHECKING:
    from deepreasoning_cli.settings.loaded import LoadedSettings
    from deepreasoning_cli.views.run_progress import Reporter

LONGEST: Final = 1000  # characters of a message
LONGEST_LOG: Final = 4000  # characters of a line of the debug log


def note(options: GlobalOptions, text: str) -> None:
    """Print `note: …`: something the user should know."""
    message(options, "note", text)


def warn(options: GlobalOptions, text: str) -> None:
    """Print `warning: …`: something failed, and the command goes on."""
    message(options, "warning", text)


def message(options: GlobalOptions, kind: str, text: str) -> None:
    """Print `kind: …`, or the text alone where `kind` is empty: a confirmation.

    With its first argument bound it is the `say` of HistoryAccess.
    """
    if not options.quiet:
        _print(f"{kind}: {text}" if kind else text, LONGEST)


def print_unwritten_line(line: str) -> None:
    """Print a line of JSON that was paid for and is kept nowhere."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # ValueError: closed
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def run_reporter(options: GlobalOptions) -> Reporter:
    """Messages of a run of many questions, above its progress."""
    from deepreasoning_cli.views.run_progress import Reporter

    is_drawn = not (options.quiet or options.debug)
    return Reporter(partial(message, options), is_drawn=is_drawn)


def ask_line(question: str, *, hidden: bool = False) -> str:
    """What is typed behind the question, "" for Enter alone. Raises typer.Abort."""
    import typer

    from deepreasoning_cli.views.terminal import ordinary_modes

    with open_question(), nullcontext() if hidden else ordinary_modes():
        typed: str = typer.prompt(
            question, default="", show_default=False, hide_input=hidden, err=True
        )
    return typed


def ask_to_confirm(question: str) -> bool:
    """Whether the answer is yes; Enter alone is no. Raises typer.Abort."""
    import typer

    from deepreasoning_cli.views.terminal import ordinary_modes

    with open_question(), ordinary_modes():
        return typer.confirm(question, default=False, err=True)


@contextmanager
def open_question() -> Iterator[None]:
    """A question is asked inside: a signal that ends the program ends its line first."""
    try:
        yield
    except Interrupted:
        write_stderr("")
        raise


def debug_log(options: GlobalOptions) -> Callable[[str], None]:
    """A function for the lines of the request log: prints them with `--debug`, else drops them."""

    def log(line: str) -> None:
        if options.debug:
            _print(f"debug: {line}", LONGEST_LOG)

    return log


def _print(line: str, longest: int) -> None:
    from deepreasoning_cli.sanitize import single_line  # no help page needs it

    write_stderr(single_line(line, longest))


def load_with_notes(
    options: GlobalOptions, flags: Mapping[str, Any] | None = None
) -> LoadedSettings:
    """The settings in force, after the notes on them. Raises ConfigError."""
    from deepreasoning_cli.settings.loaded import load_settings

    loaded = load_settings(options.config, flags or {})
    for text in loaded.notes:
        note(options, text)
    return loaded


def note_daily(options: GlobalOptions, text: str | None, *, saves: bool) -> None:
    """A note, for the first time today; where nothing is saved, nobody can know of another time."""
    if text is None:
        return
    from deepreasoning_cli import paths
    from deepreasoning_cli.files import is_first_today

    if not saves or is_first_today(paths.data_dir() / "daily-note"):
        note(options, text)
