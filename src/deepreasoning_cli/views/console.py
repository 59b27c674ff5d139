"""What a stream can take: colour, cursor moves, columns; and the one console for rendering."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FALLBACK = (80, 24)
SIGNS = str.maketrans("·→≈•─│▌⋮…–—×‘’“”", "->~*-||:.--x''\"\"")
"""Our own signs for terminals that have only ASCII, column for column."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person looks at it; FORCE_COLOR does not make a pipe a terminal."""
    return stream is not None and stream.isatty()


def can_move(stream: TextIO | None) -> bool:
    """Whether the cursor may be moved there."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def uses_color(stream: TextIO | None, wish: str) -> bool:
    """Whether colour is wanted: `wish` is auto, always or never; then the environment's word."""
    if wish != "auto":
        return wish == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or can_move(stream)


def size() -> tuple[int, int]:
    """Columns and rows of the terminal; 80 × 24 where it does not know."""
    columns, rows = shutil.get_terminal_size(FALLBACK)
    return columns or FALLBACK[0], rows or FALLBACK[1]


def is_unicode(stream: TextIO | None) -> bool:
    """Whether the stream's encoding has box-drawing characters."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def spelled_out(text: str, stream: TextIO) -> str:
    """`text` in the characters the stream can take: ours have a likeness, others their code."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return text.translate(SIGNS).encode(encoding, "backslashreplace").decode(encoding)


def console(stream: TextIO, *, color: bool, columns: int) -> Console:
    """The console that renders model text: no markup, no emoji codes, no guessing, no links."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=color,
        color_system="standard" if color and os.environ.get("TERM") == "dumb" else "auto",
        no_color=not color,
        width=columns,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
