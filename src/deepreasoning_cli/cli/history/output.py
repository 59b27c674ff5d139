"""The way to stdout: plain, or through a pager where a screen is too small."""

from __future__ import annotations

import sys
from typing import Any

from deepreasoning_cli.cli.history import pager
from deepreasoning_cli.errors import WriteError
from deepreasoning_cli.views import console
from deepreasoning_cli.views.safe import json_text


def width() -> int | None:
    """The terminal's columns; None for a pipe or a file, where nothing is cut."""
    return console.size()[0] if console.is_terminal(sys.stdout) else None


def put(text: str) -> None:
    """Print safe text that ends with a newline. Raises WriteError where stdout is closed."""
    stream = _stdout()
    if console.is_terminal(stream) and not console.is_unicode(stream):
        text = console.spelled_out(text, stream)
    if not (console.can_move(stream) and pager.is_long(text) and pager.page(text)):
        stream.write(text)


def put_json(value: object) -> None:
    """Print one line of JSON, never through a pager."""
    _stdout().write(json_text(value) + "\n")


def _stdout() -> Any:
    if sys.stdout is None:
        raise WriteError("stdout is closed", hint="give it a stdout")
    return sys.stdout
