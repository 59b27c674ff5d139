"""Turns as one document, on stdout or in a file."""

from __future__ import annotations

import sys
from pathlib import Path

from deepreasoning_cli.cli.history import output
from deepreasoning_cli.cli.history.finding import Found
from deepreasoning_cli.files import write_atomically
from deepreasoning_cli.views.console import is_terminal
from deepreasoning_cli.views.json import turn_object
from deepreasoning_cli.views.safe import json_text, safe


def export(found: Found, form: str, file: Path | None) -> None:
    """Write the turns as `md`, `json` or `html` to the file, else to stdout. Raises WriteError."""
    text = _document(found, form)
    if file is not None:
        write_atomically(file, text, mode=None)
    else:
        output.put(safe(text) if form == "md" and is_terminal(sys.stdout) else text)


def _document(found: Found, form: str) -> str:
    match form:
        case "json":
            return json_text([turn_object(turn) for turn in found.turns]) + "\n"
        case "html":
            from deepreasoning_cli.cli.history.page import page

            return page(found)
        case _:
            from deepreasoning_cli.cli.chat.export import markdown

            return markdown(found.name, found.turns)
