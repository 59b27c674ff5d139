"""What a command says beside its output."""

from __future__ import annotations

from deepreasoning_cli.cli.boundary import write_stderr
from deepreasoning_cli.cli.options import Globals
from deepreasoning_cli.views.safe import one_line

LONGEST = 500  # characters of a line


def say(given: Globals, kind: str, text: str) -> None:
    """A line on stderr, `note: …` or `warning: …`, unless the user wants it quiet."""
    if not given.quiet:
        write_stderr(f"{kind}: {one_line(text, LONGEST)}")
