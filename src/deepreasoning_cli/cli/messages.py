"""What a command says on stderr beside its output: notes, warnings, confirmations, the debug log.

Each is one line that cannot drive the terminal. `--quiet` silences all of them but the debug log,
which `--debug` asks for. With `--json` they stay as they are: the object is alone on stdout, and
an error is the only thing on stderr that becomes JSON (`boundary`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals

if TYPE_CHECKING:
    from deepreasoning_cli.settings.loaded import LoadedSettings

LONGEST: Final = 1000  # characters of a message
LONGEST_LOG: Final = 4000  # characters of a line of the debug log


def note(given: Globals, text: str) -> None:
    """Print `note: …`: something to know."""
    message(given, "note", text)


def warn(given: Globals, text: str) -> None:
    """Print `warning: …`: something went otherwise than asked, and the command goes on."""
    message(given, "warning", text)


def message(given: Globals, kind: str, text: str) -> None:
    """Print `kind: …`, or the text alone where `kind` is empty: a confirmation.

    With the first argument bound it is what the history is given to speak through.
    """
    if not given.quiet:
        _print(f"{kind}: {text}" if kind else text, LONGEST)


def debug_log(given: Globals) -> Callable[[str], None]:
    """What takes the lines of the request log: printed with `--debug`, else dropped."""

    def log(line: str) -> None:
        if given.debug:
            _print(f"debug: {line}", LONGEST_LOG)

    return log


def _print(line: str, longest: int) -> None:
    from deepreasoning_cli.sanitize import single_line  # no help page needs it

    write_stderr(single_line(line, longest))


def load_with_notes(options: Globals, flags: Mapping[str, Any] | None = None) -> LoadedSettings:
    """The settings in force, after the notes on them. Raises ConfigError."""
    from deepreasoning_cli.settings.loaded import load_settings

    loaded = load_settings(options.config, flags or {})
    for text in loaded.notes:
        note(options, text)
    return loaded
