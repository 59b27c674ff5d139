"""Print what a command lists: whole in a pipe, through a pager on a terminal that is too small."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any, Final

from deepreasoning_cli.cli.options import GlobalOptions
from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.sanitize import dump_json
from deepreasoning_cli.views import terminal

STYLES: Final = re.compile(r"\x1b\[[0-9;]*m")
DEFAULTS: Final = {"LESS": "FRX", "LV": "-c"}
"""What `less` and `lv` need to show colours; a user's own variables win."""
NO_PAGER: Final = ("", "cat")


def output_width() -> int | None:
    """The terminal's columns; None for a pipe or a file, where nothing is cut."""
    return terminal.terminal_size()[0] if terminal.is_terminal(sys.stdout) else None


def output_color(options: GlobalOptions) -> bool:
    """Whether rows on stdout are styled."""
    return terminal.uses_color(sys.stdout, options.color)


def print_text(text: str) -> None:
    """Print safe text that ends with a newline, in $PAGER or `less` if the screen is too small.

    Raises WriteError where stdout is closed.
    """
    stream = _stdout()
    if terminal.is_terminal(stream) and not terminal.is_unicode(stream):
        text = terminal.to_charset(text, stream)
    if not (terminal.supports_cursor(stream) and _is_long(text) and _page(text)):
        stream.write(text)


def print_json(value: object) -> None:
    """Print one line of JSON, never through a pager. Raises WriteError where stdout is closed."""
    stdout = _stdout()
    stdout.write(dump_json(value) + "\n")
    stdout.flush()  # a full disk is told here, where it is known what to do


def _stdout() -> Any:
    if sys.stdout is None:
        raise WriteError("stdout is closed", hint="give it a stdout")
    return sys.stdout


def _is_long(text: str) -> bool:
    """Whether the terminal has too few rows for it and the next prompt."""
    columns, rows = terminal.terminal_size()
    taken = 0
    for line in text.splitlines():
        taken += max(-(-terminal.cell_width(STYLES.sub("", line)) // columns), 1)
        if taken >= rows:
            return True
    return False


def _page(text: str) -> bool:
    """Show `text` in the pager; False where $PAGER is empty or does not start."""
    from subprocess import PIPE, Popen

    from deepreasoning_cli.cli.editor import sigint_blocked

    words = _command()
    if not words:
        return False
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.flush()
    try:
        with sigint_blocked(), Popen(words, stdin=PIPE, env=DEFAULTS | os.environ) as process:
            try:  # it gets all of the text, of which it need not read everything
                process.communicate(text.encode(encoding, "backslashreplace"))
            except BaseException:
                process.terminate()  # it gives the terminal back as it was
                raise
    except OSError:  # it is not there, or not to be run
        return False
    return True


def _command() -> list[str]:
    command = os.environ.get("PAGER", "less")
    try:
        words = shlex.split(command, posix=os.name == "posix")
    except ValueError:  # an open quotation mark
        return []
    return [] if " ".join(words) in NO_PAGER else words
