"""Turns as lines of a table and as JSON objects."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from deepreasoning_cli.history.listing import Row
from deepreasoning_cli.history.rows import stamp
from deepreasoning_cli.history.search import Hit
from deepreasoning_cli.money import shown, usd
from deepreasoning_cli.views.safe import one_line
from deepreasoning_cli.views.table import Column, table

FIRST_WORDS: Final = 100  # characters of a prompt
PASSAGE: Final = 500  # characters of a snippet
COLUMNS: Final = (
    Column("id"),
    Column("when", leaves=1),
    Column("status", leaves=2),
    Column("session", leaves=4),
    Column("model", leaves=5),
    Column("cost", right=True, leaves=3),
    Column("prompt", least=16),
)


def listed(rows: Sequence[Row], width: int | None) -> str:
    """The turns, a line each below a heading, in at most `width` cells; None is a pipe."""
    fitted = table(COLUMNS, [_cells(row) for row in rows], width)
    lines = list(fitted.lines)
    if fitted.left_out:
        lines += ["", f"No room for: {', '.join(fitted.left_out)}. A wider terminal has them."]
    return "\n".join(lines) + "\n"


def hits(found: Sequence[Hit]) -> str:
    """The turns that were found: a line each, and below it the passage."""
    return "\n".join(
        f"{one_line(hit.row.id)}  {_when(hit.row.started)}  {one_line(hit.row.prompt, FIRST_WORDS)}"
        f"\n    {one_line(hit.snippet, PASSAGE)}\n"
        for hit in found
    )


def row_object(row: Row) -> dict[str, Any]:
    """The object of a turn in `--json`: its time in UTC, its prompt whole."""
    return {
        "id": row.id,
        "session": row.session,
        "started": stamp(row.started),
        "status": row.status,
        "prompt": row.prompt,
        "model": row.model,
        "cost_usd": usd(row.cost),
    }


def hit_object(hit: Hit) -> dict[str, Any]:
    """The same with the passage that was found."""
    return {**row_object(hit.row), "snippet": hit.snippet}


def _cells(row: Row) -> list[str]:
    return [
        row.id,
        _when(row.started),
        row.status,
        row.session or "",
        row.model or "",
        "unknown" if row.cost is None else shown(row.cost),
        one_line(row.prompt, FIRST_WORDS),
    ]


def _when(started: datetime) -> str:
    """The minute on the user's own clock."""
    return f"{started.astimezone():%Y-%m-%d %H:%M}"
