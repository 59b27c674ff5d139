"""What becomes of a question whose search of the web cannot be had."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from deepreasoning_cli.errors import DeepReasoningError


def without_search(*, optional: bool, structured: bool) -> Callable[[DeepReasoningError], bool]:
    """Whether to answer without it: yes where it is `optional`, else a person is asked.

    Nobody is asked in a script, nor where the output is `structured` for one.
    """

    def go_on(error: DeepReasoningError) -> bool:
        if optional:
            return True
        if structured or not _is_a_person_there():
            return False
        from deepreasoning_cli.views.safe import one_line

        typer.echo(f"search: {one_line(error.message, 500)}", err=True)
        return typer.confirm("Answer without the search?", default=False, err=True)

    return go_on


def _is_a_person_there() -> bool:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)
